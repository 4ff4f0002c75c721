// The oldest browsers that the front ends are built for: the first ones with `light-dark()`. Their tests run in Chromium, in this
// one and in the newest.
export const OLDEST = ['chrome123', 'edge123', 'firefox120', 'safari17.5'];
