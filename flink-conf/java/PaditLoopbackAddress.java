import java.net.InetAddress;
import java.net.InetSocketAddress;

/**
 * A port of the loopback interface. Beam's gRPC servers take the host they are told, drop it, and
 * listen on every interface (ServerFactory calls NettyServerBuilder.forPort); whoever reaches a
 * job server can run code. PADIT's class path starts with a copy of NettyServerBuilder that makes
 * its address of this class instead of InetSocketAddress (devcluster/launcher.py).
 */
public final class PaditLoopbackAddress extends InetSocketAddress {
  private static final long serialVersionUID = 1L;

  public PaditLoopbackAddress(int port) {
    super(InetAddress.getLoopbackAddress(), port);
  }
}
