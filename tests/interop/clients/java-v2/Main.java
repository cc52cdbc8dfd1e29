import java.util.Optional;
import software.amazon.awssdk.auth.credentials.AwsCredentials;
import software.amazon.awssdk.auth.credentials.AwsCredentialsProvider;
import software.amazon.awssdk.auth.credentials.AwsSessionCredentials;
import software.amazon.awssdk.auth.credentials.DefaultCredentialsProvider;
import software.amazon.awssdk.core.util.VersionInfo;

/** AWS SDK for Java v2, with its default chain. */
public final class Main {
    public static void main(String[] arguments) throws InterruptedException {
        AwsCredentialsProvider provider = DefaultCredentialsProvider.create();
        Line.print(arguments, VersionInfo.SDK_VERSION, line -> {
            AwsCredentials found = provider.resolveCredentials();
            line.put("ak", found.accessKeyId()).put("sk", found.secretAccessKey());
            if (found instanceof AwsSessionCredentials) {
                line.put("st", ((AwsSessionCredentials) found).sessionToken());
            }
            line.put("exp", expiration(found));
        });
    }

    /** Old releases do not tell it. */
    private static Object expiration(AwsCredentials found) {
        try {
            return ((Optional<?>) found.getClass().getMethod("expirationTime").invoke(found)).orElse(null);
        } catch (ReflectiveOperationException error) {
            return null;
        }
    }
}
