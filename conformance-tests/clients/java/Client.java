import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;

import jakarta.websocket.ContainerProvider;

import org.cometd.bayeux.Channel;
import org.cometd.bayeux.Message;
import org.cometd.bayeux.client.ClientSession;
import org.cometd.bayeux.client.ClientSessionChannel;
import org.cometd.client.BayeuxClient;
import org.cometd.client.ext.AckExtension;
import org.cometd.client.http.jetty.JettyHttpClientTransport;
import org.cometd.client.transport.ClientTransport;
import org.cometd.client.websocket.jakarta.WebSocketTransport;
import org.eclipse.jetty.client.HttpClient;

/** CometD's Java client as a program under test: Client URL [TRANSPORT]. The README of the suite says what it does. */
public class Client {
    private final BayeuxClient client;
    private final ScheduledExecutorService scheduler = Executors.newSingleThreadScheduledExecutor();
    private final Map<String, ClientSessionChannel.MessageListener> handlers = new ConcurrentHashMap<>();
    private final List<Map<String, Object>> reports = new ArrayList<>();
    private long seq;
    private boolean sending;

    public static void main(String[] args) throws Exception {
        HttpClient http = new HttpClient();
        http.start();
        // Requests are given up sooner than by itself, so that a run does not take long.
        Map<String, Object> options = new HashMap<>(Map.of(
            ClientTransport.MAX_NETWORK_DELAY_OPTION, 2_000L, WebSocketTransport.CONNECT_TIMEOUT_OPTION, 2_000L));
        ClientTransport polling = new JettyHttpClientTransport(options, http);
        BayeuxClient client;
        if (args.length > 1 && args[1].equals("long-polling")) {
            client = new BayeuxClient(args[0], polling);
        } else {
            ClientTransport socket = new WebSocketTransport(options, null, ContainerProvider.getWebSocketContainer());
            client = new BayeuxClient(args[0], socket, polling);
        }
        client.setBackOffStrategy(new BayeuxClient.BackOffStrategy.Constant(1_000));
        client.addExtension(new AckExtension());
        new Client(client).run();
    }

    private Client(BayeuxClient client) {
        this.client = client;
    }

    private void run() throws InterruptedException {
        handlers.put("/conformance/do", (channel, message) -> carryOut(message.getDataAsMap()));
        // A new session has no subscriptions, and this library leaves it to its applications to ask for them again.
        client.getChannel(Channel.META_HANDSHAKE).addListener((ClientSessionChannel.MessageListener)(channel, message) -> {
            if (message.isSuccessful()) {
                client.batch(() -> handlers.forEach((name, handler) -> {
                    client.getChannel(name).unsubscribe(handler);
                    client.getChannel(name).subscribe(handler);
                }));
            }
        });
        client.handshake();
        // Until it is ended.
        new CountDownLatch(1).await();
    }

    private void carryOut(Map<String, Object> command) {
        Object n = command.get("n");
        ClientSession.MessageListener answered =
            reply -> report(Map.of("n", n, "ok", reply.isSuccessful()));
        try {
            if (command.get("subscribe") instanceof String name) {
                boolean fails = Boolean.TRUE.equals(command.get("fails"));
                ClientSessionChannel.MessageListener handler = (channel, message) -> {
                    report(Map.of("got", event(message)));
                    if (fails) {
                        throw new IllegalStateException("this handler fails");
                    }
                };
                handlers.put(name, handler);
                client.getChannel(name).subscribe(handler, answered);
            } else if (command.get("unsubscribe") instanceof String name) {
                client.getChannel(name).unsubscribe(handlers.remove(name), answered);
            } else if (command.containsKey("publish")) {
                // An array, or a list: its two parsers of JSON differ.
                Object told = command.get("publish");
                List<?> both = told instanceof Object[] array ? Arrays.asList(array) : (List<?>)told;
                client.getChannel((String)both.get(0)).publish(both.get(1), answered);
            } else if (command.containsKey("disconnect")) {
                client.disconnect(reply -> { });
            } else {
                report(Map.of("n", n, "ok", true));
            }
        } catch (RuntimeException refused) {
            report(Map.of("n", n, "ok", false));
        }
    }

    private static List<Object> event(Message message) {
        List<Object> event = new ArrayList<>();
        event.add(message.getChannel());
        event.add(message.getData());
        return event;
    }

    private synchronized void report(Map<String, Object> what) {
        Map<String, Object> report = new HashMap<>(what);
        report.put("seq", ++seq);
        reports.add(report);
        if (!sending) {
            sending = true;
            send();
        }
    }

    /** In order, one list after the other, and again until one is accepted. */
    private synchronized void send() {
        List<Map<String, Object>> list = List.copyOf(reports);
        client.getChannel("/conformance/told").publish(list, reply -> {
            synchronized (this) {
                if (!reply.isSuccessful()) {
                    scheduler.schedule(this::send, 200, TimeUnit.MILLISECONDS);
                    return;
                }
                reports.subList(0, list.size()).clear();
                sending = !reports.isEmpty();
                if (sending) {
                    send();
                }
            }
        });
    }
}
