/* Calls with the code that they must give, and conditions that must hold; `complaints` counts the others. */
#ifndef EXPECT_H
#define EXPECT_H

#include <stdio.h>

static int complaints;

#define EXPECT(expected, call)                                                                               \
    do {                                                                                                     \
        const int ended = (int)(call);                                                                       \
        if (ended != (int)(expected)) {                                                                      \
            fprintf(stderr, "line %d: %s: code %d, expected %d\n", __LINE__, #call, ended, (int)(expected)); \
            complaints++;                                                                                    \
        }                                                                                                    \
    } while (0)

#define HOLDS(condition)                                                        \
    do {                                                                        \
        if (!(condition)) {                                                     \
            fprintf(stderr, "line %d: %s does not hold\n", __LINE__, #condition); \
            complaints++;                                                       \
        }                                                                       \
    } while (0)

#endif /* EXPECT_H */
