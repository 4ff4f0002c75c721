// Users' access tokens, checked here and now against the published keys: no request goes out for a known key.

import { createRemoteJWKSet, jwtVerify } from "jose";

export interface Bearer {
  user: string;
  session: string;
}

/** The check for tokens of this issuer and audience. A key that is not known yet is looked for, at most every 30 seconds. */
export function tokenCheck(url: string, issuer: string, audience: string): (token: string) => Promise<Bearer> {
  const keys = createRemoteJWKSet(new URL(`${url}/.well-known/jwks.json`), {
    cacheMaxAge: 300_000,
    cooldownDuration: 30_000,
  });
  return async (token) => {
    const { payload } = await jwtVerify(token, keys, {
      issuer,
      audience,
      typ: "at+jwt",
      algorithms: ["EdDSA", "ES256", "RS256"],
      requiredClaims: ["exp", "nbf", "sub", "sid", "jti"],
      clockTolerance: 5,
    });
    return { user: String(payload.sub), session: String(payload["sid"]) };
  };
}
