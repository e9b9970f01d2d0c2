/* Reads an address a line; says "yes" where a policy without options lets a socket connect to it.
 */
#include <stdio.h>
#include <string.h>

#include "server/fetch/url_policy.h"

int main(void)
{
    const struct url_policy_options options = {.allow_host_count = 0};
    struct url_policy *policy = NULL;
    char line[128];
    if (url_policy_create(&options, &policy, NULL) != STATUS_OK)
        return 1;
    while (fgets(line, sizeof line, stdin)) {
        line[strcspn(line, "\n")] = 0;
        puts(url_policy_allows_ip(policy, line) ? "yes" : "no");
    }
    url_policy_destroy(policy);
    return 0;
}
