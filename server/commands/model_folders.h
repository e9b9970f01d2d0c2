/* The folders where weight files are looked for, and where packed weights may be kept. */
#ifndef CLASSIFYD_SERVER_COMMANDS_MODEL_FOLDERS_H
#define CLASSIFYD_SERVER_COMMANDS_MODEL_FOLDERS_H

/* Colon-separated: `option` (--model-dirs) if it is not NULL, else CLASSIFYD_MODEL_DIRS, else
 * ~/.local/share/classifyd/models (XDG_DATA_HOME), where PyTorch keeps what it has downloaded
 * (TORCH_HOME), and /usr/local/share/classifyd/models. The first is where pull puts files. NULL
 * without memory. Returns owned, free(). */
char *model_folders_list(const char *option);

/* ~/.cache/classifyd (XDG_CACHE_HOME); "" where there is no home. NULL without memory. Returns
 * owned, free(). */
char *model_folders_cache(void);

/* The first of such a list. NULL without memory. Returns owned, free(). */
char *model_folders_first(const char *folders);

#endif
