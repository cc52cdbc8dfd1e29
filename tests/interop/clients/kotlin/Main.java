import aws.sdk.kotlin.runtime.auth.credentials.DefaultChainCredentialsProvider;
import aws.smithy.kotlin.runtime.auth.awscredentials.Credentials;
import aws.smithy.kotlin.runtime.collections.AttributesKt;
import kotlin.coroutines.EmptyCoroutineContext;
import kotlinx.coroutines.BuildersKt;

/** AWS SDK for Kotlin, with its default chain. Written in Java, for which no compiler has to be fetched. */
public final class Main {
    public static void main(String[] arguments) throws InterruptedException {
        DefaultChainCredentialsProvider provider = new DefaultChainCredentialsProvider();
        Line.print(arguments, System.getProperty("sdk.version"), line -> {
            Credentials found = BuildersKt.runBlocking(EmptyCoroutineContext.INSTANCE,
                (scope, next) -> provider.resolve(AttributesKt.emptyAttributes(), next));
            line.put("ak", found.getAccessKeyId()).put("sk", found.getSecretAccessKey());
            line.put("st", found.getSessionToken()).put("exp", found.getExpiration());
        });
    }
}
