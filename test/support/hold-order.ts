/** Which requests are held, by the name of an operation as faults have them, and how. */
export interface HoldOrder {
  on: string
  /** Only of requests whose body has this text. */
  containing?: string
  /** How many. Default 1. */
  times?: number
  /** `request`: Turso does not have it yet; `answer`: it is carried out; `half`: so much of the answer has come. Default `request`. */
  holds?: 'request' | 'answer' | 'half'
}
