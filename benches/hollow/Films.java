import com.netflix.hollow.api.consumer.HollowConsumer;
import com.netflix.hollow.api.consumer.fs.HollowFilesystemBlobRetriever;
import com.netflix.hollow.api.producer.HollowProducer;
import com.netflix.hollow.api.producer.fs.HollowFilesystemAnnouncer;
import com.netflix.hollow.api.producer.fs.HollowFilesystemPublisher;
import com.netflix.hollow.core.index.HollowPrimaryKeyIndex;
import com.netflix.hollow.core.write.objectmapper.HollowPrimaryKey;
import com.netflix.hollow.core.write.objectmapper.RecordPrimaryKey;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.List;
import java.util.Random;
import java.util.TreeMap;

/**
 * Netflix Hollow on the work of Kapok's benchmark "versions": a million films, cycles that change 1 %, add 0.5 % and remove
 * 0.5 % of them, and a consumer that refreshes after each. Answers are checked after the last cycle.
 *
 * Needs a JDK of version 17 or newer and Maven:
 *
 *   mvn -q compile dependency:build-classpath -Dmdep.outputFile=classpath
 *   java -Xmx8g -cp target/classes:$(cat classpath) Films bare
 *   java -Xmx8g -cp target/classes:$(cat classpath) Films index
 *   java -Xmx8g -Dcom.netflix.hollow.core.index.HollowPrimaryKeyIndex.allowDeltaUpdate=true \
 *        -cp target/classes:$(cat classpath) Films index
 *
 * "bare" refreshes without an index, "index" with a primary key index that listens for deltas: Hollow makes it anew for each,
 * or with the property updates it. FILMS and CYCLES set other numbers than a million and ten.
 */
public final class Films {
    @HollowPrimaryKey(fields = "id")
    static final class Movie {
        int id;
        String title;
        int year;
        List<String> genres;
        int runtimeMin;
    }

    private static final String[] SYLLABLES =
        {"ka", "po", "mer", "lin", "sto", "ra", "vel", "ti", "no", "gra", "shi", "be", "dun", "or", "fay", "wex"};
    private static final String[] GENRES = {
        "action", "adventure", "animation", "biography", "comedy", "crime", "documentary", "drama", "family", "fantasy",
        "film noir", "history", "horror", "music", "mystery", "romance", "science fiction", "thriller", "war", "western"
    };

    private final Random random = new Random(42);
    private final TreeMap<Integer, Movie> newest = new TreeMap<>();
    private int next;

    private Movie draft() {
        Movie movie = new Movie();
        movie.id = ++next * 7;
        StringBuilder title = new StringBuilder();
        int syllables = 5 + random.nextInt(5);
        for (int index = 0; index < syllables; index++) {
            title.append(index > 0 && index % 3 == 0 ? " " : "").append(SYLLABLES[random.nextInt(SYLLABLES.length)]);
        }
        movie.title = title.toString();
        movie.year = 1900 + random.nextInt(127);
        movie.genres = new ArrayList<>();
        for (int count = 1 + random.nextInt(4); count > 0; count--) {
            movie.genres.add(GENRES[random.nextInt(GENRES.length)]);
        }
        movie.runtimeMin = 60 + random.nextInt(180);
        return movie;
    }

    /** Changes the newest films; returns those to upsert, and appends the ids of those to delete. */
    private List<Movie> churn(List<Integer> removed) {
        List<Integer> ids = new ArrayList<>(newest.keySet());
        int part = ids.size() / 200;
        java.util.Collections.shuffle(ids, random);
        List<Movie> upserts = new ArrayList<>();
        for (Integer id : ids.subList(0, part)) {
            newest.remove(id);
            removed.add(id);
        }
        for (Integer id : ids.subList(part, 3 * part)) {
            Movie movie = newest.get(id);
            movie.year = movie.year % 2027 + 1;
            movie.title += "!";
            upserts.add(movie);
        }
        for (int count = 0; count < part; count++) {
            Movie movie = draft();
            newest.put(movie.id, movie);
            upserts.add(movie);
        }
        return upserts;
    }

    private static double ms(long since) {
        return (System.nanoTime() - since) / 1e6;
    }

    private static void print(String what, double[] times) {
        Arrays.sort(times);
        System.out.printf("%s: median %.1f ms, least %.1f, worst %.1f (%d runs)%n",
            what, times[times.length / 2], times[0], times[times.length - 1], times.length);
    }

    private static int number(String name, int otherwise) {
        String text = System.getenv(name);
        return text == null ? otherwise : Integer.parseInt(text);
    }

    private void run(boolean isIndexed, int films, int cycles) throws IOException {
        Path folder = Files.createTempDirectory("hollow-films");
        HollowProducer.Incremental producer = HollowProducer.withPublisher(new HollowFilesystemPublisher(folder))
            .withAnnouncer(new HollowFilesystemAnnouncer(folder))
            .buildIncremental();
        producer.initializeDataModel(Movie.class);
        for (int count = 0; count < films; count++) {
            Movie movie = draft();
            newest.put(movie.id, movie);
        }
        Collection<Movie> all = newest.values();
        long started = System.nanoTime();
        long version = producer.runIncrementalCycle(state -> all.parallelStream().forEach(state::addOrModify));
        System.out.printf("first cycle, all films: %.0f ms%n", ms(started));

        HollowConsumer consumer =
            HollowConsumer.withBlobRetriever(new HollowFilesystemBlobRetriever(folder)).build();
        started = System.nanoTime();
        consumer.triggerRefreshTo(version);
        System.out.printf("consumer's first load: %.0f ms%n", ms(started));
        HollowPrimaryKeyIndex index = null;
        if (isIndexed) {
            index = new HollowPrimaryKeyIndex(consumer.getStateEngine(), "Movie", "id");
            index.listenForDeltaUpdates();
        }

        double[] deltas = new double[cycles];
        double[] refreshes = new double[cycles];
        for (int cycle = 0; cycle < cycles; cycle++) {
            List<Integer> removed = new ArrayList<>();
            List<Movie> upserts = churn(removed);
            started = System.nanoTime();
            version = producer.runIncrementalCycle(state -> {
                upserts.forEach(state::addOrModify);
                removed.forEach(id -> state.delete(new RecordPrimaryKey("Movie", new Object[] {id})));
            });
            deltas[cycle] = ms(started);
            started = System.nanoTime();
            consumer.triggerRefreshTo(version);
            refreshes[cycle] = ms(started);
        }
        print("incremental cycle", deltas);
        print(isIndexed ? "refresh with a key index" : "refresh without an index", refreshes);

        int found = consumer.getStateEngine().getTypeState("Movie").getPopulatedOrdinals().cardinality();
        if (found != newest.size()) {
            throw new IllegalStateException(found + " films, expected " + newest.size());
        }
        for (Integer id : isIndexed ? newest.keySet() : List.<Integer>of()) {
            if (index.getMatchingOrdinal(id) < 0) {
                throw new IllegalStateException("film " + id + " is not found");
            }
        }
    }

    public static void main(String[] arguments) throws IOException {
        String mode = arguments.length == 1 ? arguments[0] : "";
        if (!mode.equals("bare") && !mode.equals("index")) {
            throw new IllegalArgumentException("say bare or index");
        }
        new Films().run(mode.equals("index"), number("FILMS", 1_000_000), number("CYCLES", 10));
    }
}
