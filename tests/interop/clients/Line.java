/** The lines of JSON that the clients in Java print. */
final class Line {
    /** What a client asks its SDK for, and puts into the line. */
    interface Question {
        void ask(Line line) throws Exception;
    }

    private final long start = System.currentTimeMillis();
    private final StringBuilder text = new StringBuilder("{");

    /** So many lines as the first argument says, with as many milliseconds between them as the second; then the program ends. */
    static void print(String[] arguments, String version, Question question) throws InterruptedException {
        for (int left = Integer.parseInt(arguments[0]) - 1; left >= 0; left--) {
            Line line = new Line().put("version", version);
            try {
                question.ask(line);
            } catch (Exception error) {
                line.failed(error);
            }
            line.print();
            if (left > 0) {
                Thread.sleep(Long.parseLong(arguments[1]));
            }
        }
        System.exit(0);
    }

    Line put(String name, Object value) {
        if (value != null) {
            text.append(quoted(name)).append(": ").append(quoted(value.toString())).append(", ");
        }
        return this;
    }

    /** The error with all that caused it. */
    private void failed(Throwable error) {
        StringBuilder all = new StringBuilder();
        for (Throwable one = error; one != null && all.length() < 4000; one = one.getCause()) {
            all.append(all.length() == 0 ? "" : "; ").append(one.getClass().getSimpleName()).append(": ").append(one.getMessage());
        }
        put("err", all);
    }

    private void print() {
        System.out.println(text.append("\"ms\": ").append(System.currentTimeMillis() - start).append("}"));
        System.out.flush();
    }

    private static String quoted(String value) {
        StringBuilder quoted = new StringBuilder("\"");
        for (char one : value.toCharArray()) {
            if (one == '"' || one == '\\') {
                quoted.append('\\').append(one);
            } else {
                quoted.append(one < ' ' ? ' ' : one);
            }
        }
        return quoted.append('"').toString();
    }
}
