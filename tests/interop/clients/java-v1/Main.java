import com.amazonaws.auth.AWSCredentials;
import com.amazonaws.auth.AWSCredentialsProvider;
import com.amazonaws.auth.AWSSessionCredentials;
import com.amazonaws.auth.DefaultAWSCredentialsProviderChain;
import com.amazonaws.util.VersionInfoUtils;

/** AWS SDK for Java v1, with its default chain. */
public final class Main {
    public static void main(String[] arguments) throws InterruptedException {
        int times = Integer.parseInt(arguments[0]);
        AWSCredentialsProvider provider = DefaultAWSCredentialsProviderChain.getInstance();
        for (int left = times - 1; left >= 0; left--) {
            Line line = new Line().put("version", VersionInfoUtils.getVersion());
            try {
                AWSCredentials found = provider.getCredentials();
                line.put("ak", found.getAWSAccessKeyId()).put("sk", found.getAWSSecretKey());
                if (found instanceof AWSSessionCredentials) {
                    line.put("st", ((AWSSessionCredentials) found).getSessionToken());
                }
            } catch (RuntimeException error) {
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
