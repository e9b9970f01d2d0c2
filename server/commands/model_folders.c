#include "server/commands/model_folders.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *get_variable(const char *name)
{
    const char *value = getenv(name);
    return value && *value ? value : NULL;
}

/* asprintf's, NULL without memory. */
static char *join(const char *before, const char *after)
{
    char *joined;
    return asprintf(&joined, "%s%s", before, after) < 0 ? NULL : joined;
}

/* $variable/tail, or $HOME/fallback/tail. */
static char *find_folder(const char *variable, const char *fallback, const char *tail)
{
    const char *value = get_variable(variable), *home = get_variable("HOME");
    char *base = value ? strdup(value) : join(home ? home : "", fallback);
    char *folder = base ? join(base, tail) : NULL;
    free(base);
    return folder;
}

char *model_folders_list(const char *option)
{
    const char *given = option ? option : get_variable("CLASSIFYD_MODEL_DIRS");
    if (given)
        return strdup(given);
    char *own = find_folder("XDG_DATA_HOME", "/.local/share", "/classifyd/models");
    char *torch = find_folder("TORCH_HOME", "/.cache/torch", "/hub/checkpoints");
    char *list = NULL;
    if (own && torch && asprintf(&list, "%s:%s:/usr/local/share/classifyd/models", own, torch) < 0)
        list = NULL;
    free(own);
    free(torch);
    return list;
}

char *model_folders_cache(void)
{
    if (!get_variable("XDG_CACHE_HOME") && !get_variable("HOME"))
        return strdup("");
    return find_folder("XDG_CACHE_HOME", "/.cache", "/classifyd");
}

char *model_folders_first(const char *folders)
{
    return strndup(folders, strcspn(folders, ":"));
}
