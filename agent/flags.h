/* The agent's command line: the flags of the EKS Pod Identity Agent, read as it reads them (Go's pflag), and
 * options of our own. One table is the source of reading, of the variables POD_IDENTITY_AGENT_… and of
 * --help. */
#ifndef POD_IDENTITY_AGENT_FLAGS_H
#define POD_IDENTITY_AGENT_FLAGS_H

#include "agent/flags_lookup.h"
#include "agent/settings.h"
#include "common/base/buf.h"

#define FLAGS_EXIT_USAGE 1 /* as the real agent's */
#define FLAGS_PROBLEM_MAX 1024
#define FLAGS_HELP_MAX 16384

enum flags_result {
    FLAGS_RUN,
    FLAGS_HELP, /* *help goes to standard output, exit 0: asked for, or no command was given */
    FLAGS_USAGE /* *problem and *help go to standard error, exit FLAGS_EXIT_USAGE */
};

/* Reads defaults, then the environment, then argv (as main() got them). Under the name go-runner the words
 * before the program that it was to run are its own flags, which are dropped, and that program is us.
 * `out` is zero. What is odd and yet taken is logged once the level is known (log_setup() is called here):
 * a word that nothing reads, a variable POD_IDENTITY_AGENT_… that is none of ours. */
enum flags_result flags_read(int argc, char **argv, struct settings *out, struct buf *problem,
                             struct buf *help);

#endif
