/* One HTTP exchange with the agent and nothing else: what pod-identity-init is measured against. Built and
 * linked as our programs are. Usage: bare_exchange ADDRESS PORT TOKEN-FILE; exits with 0 if the answer's
 * status is 200. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static char token[65536], request[66000], answer[16384];

int main(int argc, char **argv) {
    struct sockaddr_in agent = {.sin_family = AF_INET};
    if (argc != 4 || inet_pton(AF_INET, argv[1], &agent.sin_addr) != 1)
        return 64;
    agent.sin_port = htons((uint16_t)strtoul(argv[2], NULL, 10));
    int file = open(argv[3], O_RDONLY | O_CLOEXEC);
    ssize_t n = read(file, token, sizeof token - 1);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (n <= 0 || connect(fd, (struct sockaddr *)&agent, sizeof agent) != 0)
        return 1;
    int len = snprintf(request, sizeof request,
                       "GET /v1/credentials HTTP/1.1\r\nHost: %s\r\nAuthorization: %s\r\nAccept: "
                       "application/json\r\nConnection: close\r\n\r\n",
                       argv[1], token);
    if (write(fd, request, (size_t)len) != len)
        return 1;
    size_t got = 0;
    while (got < sizeof answer - 1 && (n = read(fd, answer + got, sizeof answer - 1 - got)) > 0)
        got += (size_t)n;
    return strncmp(answer, "HTTP/1.1 200", 12) == 0 ? 0 : 1;
}
