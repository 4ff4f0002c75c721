// Starts the service. Everything it must know comes from the environment.

import { service } from "./service.js";

function setting(name: string, usual?: string): string {
  const value = process.env[name] ?? usual;
  if (value === undefined || value === "") {
    console.error(`${name} is missing: set it in the environment`);
    process.exit(1);
  }
  return value;
}

const port = Number(setting("PORT", "9000"));
service({
  identityUrl: setting("IDENTITY_URL", "http://127.0.0.1:8000"),
  apiKey: setting("IDENTITY_API_KEY"),
  issuer: setting("IDENTITY_ISSUER", "voicehive-identity"),
  audience: setting("IDENTITY_AUDIENCE", "voicehive"),
}).listen(port, "127.0.0.1", () => console.log(`listens at http://127.0.0.1:${port}`));
