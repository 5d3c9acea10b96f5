import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.atomic.AtomicInteger;

import jakarta.websocket.ContainerProvider;

import org.cometd.bayeux.Channel;
import org.cometd.bayeux.client.ClientSessionChannel;
import org.cometd.client.BayeuxClient;
import org.cometd.client.ext.AckExtension;
import org.cometd.client.http.jetty.JettyHttpClientTransport;
import org.cometd.client.transport.ClientTransport;
import org.cometd.client.websocket.jakarta.WebSocketTransport;
import org.eclipse.jetty.client.HttpClient;
import org.eclipse.jetty.util.ajax.JSON;

/**
 * CometD's Java client with its ack extension: CutSubscriber URL TRANSPORT CHANNEL. Tells on standard output, a line of JSON each, that it is
 * subscribed, of each event, and of what must not happen. Ends with its standard input.
 */
public class CutSubscriber {
    public static void main(String[] args) throws Exception {
        HttpClient http = new HttpClient();
        http.start();
        Map<String, Object> options = new HashMap<>(Map.of(ClientTransport.MAX_NETWORK_DELAY_OPTION, 3_000L));
        ClientTransport transport = args[1].equals("websocket")
            ? new WebSocketTransport(options, null, ContainerProvider.getWebSocketContainer())
            : new JettyHttpClientTransport(options, http);
        BayeuxClient client = new BayeuxClient(args[0], transport);
        client.setBackOffStrategy(new BayeuxClient.BackOffStrategy.Constant(20));
        client.addExtension(new AckExtension());
        AtomicInteger handshakes = new AtomicInteger();
        client.getChannel(Channel.META_HANDSHAKE).addListener((ClientSessionChannel.MessageListener)(channel, message) -> {
            if (message.isSuccessful() && handshakes.incrementAndGet() > 1) {
                say(Map.of("problem", "the session was lost"));
            }
        });
        client.handshake();
        if (!client.waitFor(10_000, BayeuxClient.State.CONNECTED)) {
            say(Map.of("problem", "it does not connect"));
            System.exit(1);
        }
        client.getChannel(args[2]).subscribe(
            (channel, message) -> say(message.getDataAsMap()),
            reply -> say(reply.isSuccessful() ? Map.of("subscribed", true) : Map.of("problem", "no subscription")));
        while (System.in.read() >= 0) {
            continue;
        }
        client.disconnect(2_000);
        http.stop();
        System.exit(0);
    }

    private static synchronized void say(Map<String, Object> what) {
        System.out.println(new JSON().toJSON(what));
        System.out.flush();
    }
}
