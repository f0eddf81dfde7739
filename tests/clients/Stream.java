// The HttpClient of the JDK with its defaults, which offer HTTP/2 to every http:// server: one message
// whole, one as a stream, at once. Prints the body of the first and the lines of the second.
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse.BodyHandlers;

public class Stream {
    public static void main(String[] given) throws Exception {
        var client = HttpClient.newHttpClient();
        var chat = HttpRequest.newBuilder(URI.create(given[0]))
            .header("Authorization", "Bearer " + given[1])
            .header("Content-Type", "application/json");
        var whole = chat.copy().POST(HttpRequest.BodyPublishers.ofString(given[2])).build();
        var streamed = chat.copy().POST(HttpRequest.BodyPublishers.ofString(given[3])).build();
        var first = client.sendAsync(whole, BodyHandlers.ofString());
        var second = client.sendAsync(streamed, BodyHandlers.ofLines());
        System.out.println(first.get().statusCode() + " " + second.get().statusCode());
        System.out.println(first.get().body());
        second.get().body().forEach(System.out::println);
    }
}
