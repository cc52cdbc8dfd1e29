// Retrieves credentials as JavaScript programs do, and prints who they are for and how long they last: nothing secret.
import * as providers from "@aws-sdk/credential-providers";

const ways = {
	default: () => providers.fromNodeProviderChain(),
	container: () => providers.fromContainerMetadata(),
	http: () => providers.fromHttp(),
	process: () => providers.fromProcess(),
	"instance-profile": () => providers.fromInstanceMetadata({ maxRetries: 0 }),
};

try {
	const found = await ways[process.argv[2]]()();
	console.log(JSON.stringify({
		accessKeyId: found.accessKeyId,
		expiration: found.expiration.toISOString().replace(".000Z", "Z"),
		complete: Boolean(found.secretAccessKey && found.sessionToken),
	}));
} catch (error) {
	console.error(`${error.name}: ${error.message}`);
	process.exit(1);
}
