#include "agent/agent_version.h"

void agent_version(struct buf *out) {
    buf_str(out, "EKS Pod Identity Agent version " AGENT_VERSION_MATCHED "\n");
    version_text("pod-identity-agent", out);
}
