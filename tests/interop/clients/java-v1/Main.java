import com.amazonaws.auth.AWSCredentials;
import com.amazonaws.auth.AWSCredentialsProvider;
import com.amazonaws.auth.AWSSessionCredentials;
import com.amazonaws.auth.DefaultAWSCredentialsProviderChain;
import com.amazonaws.util.VersionInfoUtils;

/** AWS SDK for Java v1, with its default chain. */
public final class Main {
    public static void main(String[] arguments) throws InterruptedException {
        AWSCredentialsProvider provider = DefaultAWSCredentialsProviderChain.getInstance();
        Line.print(arguments, VersionInfoUtils.getVersion(), line -> {
            AWSCredentials found = provider.getCredentials();
            line.put("ak", found.getAWSAccessKeyId()).put("sk", found.getAWSSecretKey());
            if (found instanceof AWSSessionCredentials) {
                line.put("st", ((AWSSessionCredentials) found).getSessionToken());
            }
        });
    }
}
