import org.cometd.bayeux.server.BayeuxServer;
import org.cometd.server.BayeuxServerImpl;
import org.cometd.server.ext.AcknowledgedMessagesExtension;
import org.cometd.server.ext.TimesyncExtension;
import org.cometd.server.http.JSONHttpTransport;
import org.cometd.server.http.JSONPHttpTransport;
import org.cometd.server.http.jakarta.CometDServlet;
import org.cometd.server.websocket.jetty.JettyWebSocketTransport;
import org.eclipse.jetty.ee10.servlet.ServletContextHandler;
import org.eclipse.jetty.ee10.servlet.ServletHolder;
import org.eclipse.jetty.server.Context;
import org.eclipse.jetty.server.Server;
import org.eclipse.jetty.server.ServerConnector;
import org.eclipse.jetty.websocket.server.WebSocketUpgradeHandler;

/** The server of CometD with all its transports and the acknowledgement extension, on a loopback port. */
public class Target {
    private static final String PATH = "/bayeux";
    private static final long TIMEOUT = 2_000;
    private static final long MAX_INTERVAL = 10_000;

    public static void main(String[] args) throws Exception {
        Server server = new Server();
        ServerConnector connector = new ServerConnector(server, 1, 1);
        connector.setHost("127.0.0.1");
        connector.setPort(Integer.parseInt(args[0]));
        server.addConnector(connector);
        ServletContextHandler context = new ServletContextHandler("/");
        // Upgrades are taken out of the requests before the servlets see them.
        WebSocketUpgradeHandler upgrades = WebSocketUpgradeHandler.from(server);
        upgrades.setHandler(context);
        server.setHandler(upgrades);

        ServletHolder holder = new ServletHolder(new CometDServlet() {
            @Override
            protected BayeuxServer newBayeuxServer() {
                return bayeux(server.getContext());
            }
        });
        holder.setAsyncSupported(true);
        holder.setInitOrder(1);
        context.addServlet(holder, PATH + "/*");

        server.start();
        System.out.println("listening on http://127.0.0.1:" + connector.getLocalPort() + PATH);
        server.join();
    }

    private static BayeuxServer bayeux(Context context) {
        BayeuxServerImpl bayeux = new BayeuxServerImpl();
        // The WebSocket transport looks its container up there.
        bayeux.setOption(Context.class.getName(), context);
        bayeux.setOption("ws.cometdURLMapping", PATH + "/*");
        bayeux.setOption("timeout", TIMEOUT);
        bayeux.setOption("maxInterval", MAX_INTERVAL);
        bayeux.setTransports(new JettyWebSocketTransport(bayeux), new JSONHttpTransport(bayeux), new JSONPHttpTransport(bayeux));
        bayeux.setAllowedTransports("websocket", "long-polling", "callback-polling");
        bayeux.addExtension(new AcknowledgedMessagesExtension());
        bayeux.addExtension(new TimesyncExtension());
        return bayeux;
    }
}
