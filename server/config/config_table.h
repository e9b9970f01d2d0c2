/* Every option for people to read, from the option table. */
#ifndef CLASSIFYD_SERVER_CONFIG_CONFIG_TABLE_H
#define CLASSIFYD_SERVER_CONFIG_CONFIG_TABLE_H

#include <stdio.h>

enum config_table_style {
    CONFIG_TABLE_TEXT,     /* two lines an option, aligned: --print-options */
    CONFIG_TABLE_MARKDOWN, /* a table a section: server/CONFIG.md */
};

/* Name, default, range with unit, environment variable and help of each. Write errors stay with the
 * stream. */
void config_table_print(FILE *stream, enum config_table_style style);

#endif
