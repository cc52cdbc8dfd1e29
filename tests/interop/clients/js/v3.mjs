// The AWS SDK for JavaScript v3: the credentials of one STSClient that was made with no options.
import { createRequire } from "module";

const require = createRequire(import.meta.url);
const { STSClient } = require("@aws-sdk/client-sts");
const { version } = require("@aws-sdk/client-sts/package.json");

const [times, interval] = process.argv.slice(2).map(Number);
const client = new STSClient({});
for (let i = 0; i < times; i++) {
  const began = Date.now();
  const line = { version };
  try {
    const found = await client.config.credentials();
    Object.assign(line, { ak: found.accessKeyId, sk: found.secretAccessKey, st: found.sessionToken });
    if (found.expiration) line.exp = new Date(found.expiration).toISOString();
  } catch (error) {
    line.err = `${error.name}: ${error.message}`;
  }
  line.ms = Date.now() - began;
  console.log(JSON.stringify(line));
  if (i + 1 < times) await new Promise((resolve) => setTimeout(resolve, interval));
}
