#include "sidecar/listeners.h"

const char *listener_name(enum listener listener) {
    static const char names[LISTENERS][8] = {"socket", "http", "imds", "metrics"};
    return names[listener];
}
