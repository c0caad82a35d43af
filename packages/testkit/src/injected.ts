/** An environment with which a Node process runs `source`, an ES module, before anything else. */
export function injected(source: string): { readonly NODE_OPTIONS: string } {
  return { NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(source)}` };
}
