#include "common/base/environment.h"

#include <stdlib.h>

const char *environment(const char *name) {
    return getenv(name);
}
