type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false

/** `typeOf(value).is<Expected>()` compiles only when the type of the value is exactly that. Never run. */
export declare function typeOf<Actual>(value: Actual): {
  is<Expected>(...proof: Same<Actual, Expected> extends true ? [] : [found: Actual]): void
}
