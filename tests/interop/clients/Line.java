/** The lines of JSON that the clients in Java print. */
final class Line {
    private final long start = System.currentTimeMillis();
    private final StringBuilder text = new StringBuilder("{");

    Line put(String name, Object value) {
        if (value != null) {
            text.append(quoted(name)).append(": ").append(quoted(value.toString())).append(", ");
        }
        return this;
    }

    /** The error with all that caused it. */
    Line failed(Throwable error) {
        StringBuilder all = new StringBuilder();
        for (Throwable one = error; one != null && all.length() < 4000; one = one.getCause()) {
            all.append(all.length() == 0 ? "" : "; ").append(one.getClass().getSimpleName()).append(": ").append(one.getMessage());
        }
        return put("err", all);
    }

    void print() {
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
