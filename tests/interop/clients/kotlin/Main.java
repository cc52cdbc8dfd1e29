import aws.sdk.kotlin.runtime.auth.credentials.DefaultChainCredentialsProvider;
import aws.smithy.kotlin.runtime.auth.awscredentials.Credentials;
import aws.smithy.kotlin.runtime.collections.AttributesKt;
import kotlin.coroutines.EmptyCoroutineContext;
import kotlinx.coroutines.BuildersKt;

/** AWS SDK for Kotlin, with its default chain. Written in Java, for which no compiler has to be fetched. */
public final class Main {
    public static void main(String[] arguments) throws InterruptedException {
        int times = Integer.parseInt(arguments[0]);
        DefaultChainCredentialsProvider provider = new DefaultChainCredentialsProvider();
        for (int left = times - 1; left >= 0; left--) {
            Line line = new Line().put("version", System.getProperty("sdk.version"));
            try {
                Credentials found = BuildersKt.runBlocking(EmptyCoroutineContext.INSTANCE,
                    (scope, next) -> provider.resolve(AttributesKt.emptyAttributes(), next));
                line.put("ak", found.getAccessKeyId()).put("sk", found.getSecretAccessKey());
                line.put("st", found.getSessionToken()).put("exp", found.getExpiration());
            } catch (Exception error) {
                line.failed(error);
            }
            line.print();
            if (left > 0) {
                Thread.sleep(Long.parseLong(arguments[1]));
            }
        }
        System.exit(0);
    }
}
