// The AWS SDK for JavaScript v2: the credentials of one STS client that was made with no options.
const AWS = require("aws-sdk");

const [times, interval] = process.argv.slice(2).map(Number);

function credentials(client) {
  return new Promise((resolve, reject) => {
    client.config.getCredentials((error, found) => (error ? reject(error) : resolve(found || client.config.credentials)));
  });
}

async function main() {
  let client;
  for (let i = 0; i < times; i++) {
    const began = Date.now();
    const line = { version: AWS.VERSION };
    try {
      client = client || new AWS.STS();
      const found = await credentials(client);
      Object.assign(line, { ak: found.accessKeyId, sk: found.secretAccessKey, st: found.sessionToken });
      if (found.expireTime) line.exp = new Date(found.expireTime).toISOString();
    } catch (error) {
      line.err = `${error.name || error.code}: ${error.message}`;
    }
    line.ms = Date.now() - began;
    console.log(JSON.stringify(line));
    if (i + 1 < times) await new Promise((resolve) => setTimeout(resolve, interval));
  }
}

main();
