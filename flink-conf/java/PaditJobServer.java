import java.util.Arrays;

/**
 * Starts Beam's Flink job server without its habit of uploading its own class path (150 MB, 15 s
 * and more) with every job. PADIT's clusters have Beam's jars on their own class path, so a job
 * needs nothing but its graph. Beam finds what to upload in the property java.class.path; the JVM
 * reads that property only when it starts, so it can be emptied afterwards.
 *
 * <p>Arguments: a jar to name instead (it is uploaded, so it should be small), then the job
 * server's own.
 */
public final class PaditJobServer {
  private PaditJobServer() {}

  public static void main(String[] args) throws Exception {
    System.setProperty("java.class.path", args[0]);
    Class.forName("org.apache.beam.runners.flink.FlinkJobServerDriver")
        .getMethod("main", String[].class)
        .invoke(null, (Object) Arrays.copyOfRange(args, 1, args.length));
  }
}
