#include "src/app/outputs.h"

#include "src/core/file.h"
#include "src/core/text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Writing is tried, since permissions alone do not tell. */
static nl_status try_folder(const char *flag, const char *folder)
{
    struct nl_text path = {.data = NULL};
    nl_text_add(&path, "%s/.nonlocal-XXXXXX", folder);
    nl_status st = nl_text_check(&path);
    if (st == NL_OK) {
        const int fd = mkstemp(path.data);
        if (fd < 0)
            st = nl_fail(NL_EUSAGE, "%s: cannot write to %s: %s", flag, folder, strerror(errno));
        else {
            close(fd);
            unlink(path.data);
        }
    }
    nl_text_clear(&path);
    return st;
}

nl_status nl_folder_ready(const char *flag, const char *folder)
{
    char why[1024];
    if (nl_folder_make(folder) != NL_OK) {
        snprintf(why, sizeof why, "%s", nl_error());
        return nl_fail(NL_EUSAGE, "%s: cannot make the folder: %s", flag, why);
    }
    return try_folder(flag, folder);
}

nl_status nl_is_no_input(const char *flag, const char *output, const char *input)
{
    struct stat one, two;
    if (!output || !input || stat(output, &one) != 0 || stat(input, &two) != 0) return NL_OK;
    NL_REQUIRE(!S_ISREG(one.st_mode) || one.st_dev != two.st_dev || one.st_ino != two.st_ino,
               NL_EUSAGE, "%s: %s would be written over the input %s", flag, output, input);
    return NL_OK;
}
