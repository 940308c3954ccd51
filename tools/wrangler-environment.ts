/** Makes wrangler work without the internet and without asking: no metrics, reports, update check or made-up visitor data. */
export const offlineWrangler: Readonly<Record<string, string>> = {
  WRANGLER_SEND_METRICS: 'false',
  WRANGLER_SEND_ERROR_REPORTS: 'false',
  // The banner is what looks for a newer wrangler.
  WRANGLER_HIDE_BANNER: 'true',
  WRANGLER_NO_SKILLS_UPDATE_PROMPTS: 'true',
  // Otherwise miniflare fetches https://workers.cloudflare.com/cf.json for `request.cf`.
  CLOUDFLARE_CF_FETCH_ENABLED: 'false',
}
