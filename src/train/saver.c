// SPDX-License-Identifier: Apache-2.0
#include "train/saver.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/clock.h"
#include "comm/signals.h"

void saver_init(Saver *saver, SaverConfig config, Progress *progress)
{
    *saver = (Saver){.config = config, .progress = progress, .start = clock_now()};
    saver->last = saver->start;
}

void saver_ask(Saver *saver)
{
    const SaverConfig *c = &saver->config;
    const double now = clock_now();
    int flags = signals_stop_asked() ? SAVER_STOP : 0;
    if (comm_is_root(&saver->checkpoint.mesh->world)) {
        flags |= c->stop_after > 0 && now - saver->start >= c->stop_after ? SAVER_STOP : 0;
        flags |= c->every > 0 && now - saver->last >= c->every ? SAVER_SAVE : 0;
    }
    comm_vote_begin(&saver->vote, &saver->checkpoint.mesh->world, flags);
}

int saver_answer(Saver *saver)
{
    return comm_vote_end(&saver->vote);
}

Status saver_failed(Saver *saver, Status status)
{
    if (status.code == CODE_OK || !saver->config.continue_on_failure) {
        return status;
    }
    if (comm_is_root(&saver->checkpoint.mesh->world)) {
        fflush(stdout);
        fprintf(stderr, "%s; training goes on\n", status.text);
    }
    return status_ok();
}

/** metrics.jsonl as it is; by one rank. */
static Status read_history(Saver *saver)
{
    char path[H5_PATH];
    Checkpoint *c = &saver->checkpoint;
    struct stat info;
    mem_free(c->history);
    c->history = NULL;
    snprintf(path, sizeof path, "%s/metrics.jsonl", saver->config.dir);
    FILE *in = fopen(path, "rb");
    bool read = in != NULL && fstat(fileno(in), &info) == 0;
    if (read) {
        c->n_history = (size_t)info.st_size;
        c->history = mem_alloc(c->n_history + 1, 1);
        read = fread(c->history, 1, c->n_history, in) == c->n_history;
    }
    const int error = errno;
    if (in != NULL) {
        fclose(in);
    }
    return read ? status_ok()
                : status_error(CODE_FAILED, "%s: cannot be read: %s", path, strerror(error));
}

static Status gather_history(Saver *saver)
{
    const Comm *world = &saver->checkpoint.mesh->world;
    return comm_agree(world, comm_is_root(world) ? read_history(saver) : status_ok());
}

/** Those of a time when --keep was larger; by one rank. */
static void remove_older(const SaverConfig *config)
{
    char path[H5_PATH];
    int age = config->keep;
    do {
        checkpoint_path(path, config->dir, age++);
    } while (remove(path) == 0);
}

/** The checkpoint that was just written takes the place of the newest, which stays as the one before; by one rank. */
static Status put_in_place(const Saver *saver, const char *next)
{
    char last[H5_PATH];
    checkpoint_path(last, saver->config.dir, 0);
    checkpoint_rotate(saver->config.dir, saver->config.keep);
    if (rename(next, last) != 0 || !h5_flush_folder(last)) {
        return status_error(CODE_FAILED, "%s: cannot be written: %s", last, strerror(errno));
    }
    remove_older(&saver->config);
    return status_ok();
}

static Status save_last(Saver *saver)
{
    const Comm *world = &saver->checkpoint.mesh->world;
    char next[H5_PATH];
    TRY(gather_history(saver));
    snprintf(next, sizeof next, "%s/next.h5", saver->config.dir);
    TRY(checkpoint_save(&saver->checkpoint, next));
    return comm_agree(world, comm_is_root(world) ? put_in_place(saver, next) : status_ok());
}

Status saver_save_last(Saver *saver)
{
    if (saver->config.dir == NULL) {
        return status_ok();
    }
    const Status status = save_last(saver);
    saver->last = clock_now();
    return saver_failed(saver, status);
}

Status saver_save_best(Saver *saver)
{
    char path[H5_PATH];
    if (saver->config.dir == NULL) {
        return status_ok();
    }
    Checkpoint model = saver->checkpoint;
    model.optim = model.expert_optim = NULL;
    model.history = NULL;
    model.n_history = 0;
    snprintf(path, sizeof path, "%s/best.h5", saver->config.dir);
    return saver_failed(saver, checkpoint_save(&model, path));
}

Status saver_resume(Saver *saver, char (*file)[H5_PATH], int n, const char **path)
{
    Status status = status_ok();
    for (int i = 0; i < n; i++) {
        *path = file[i];
        mem_free(saver->checkpoint.history);
        saver->checkpoint.history = NULL;
        status = checkpoint_load(&saver->checkpoint, file[i]);
        if (status.code == CODE_OK) {
            return status;
        }
        if (i + 1 < n && comm_is_root(&saver->checkpoint.mesh->world)) {
            fprintf(stderr, "%s; trying %s\n", status.text, file[i + 1]);
        }
    }
    return status;
}

int saver_candidates(const char *dir, char (*file)[H5_PATH], int max)
{
    int n = 0;
    snprintf(file[n], H5_PATH, "%s/next.h5", dir);
    n += access(file[n], F_OK) == 0;
    for (int age = 0; n < max; age++) {
        checkpoint_path(file[n], dir, age);
        if (access(file[n], F_OK) == 0) {
            n++;
        } else if (age > 0) {  // last.h5 itself may be away for a moment
            break;
        }
    }
    return n;
}

void saver_free(Saver *saver)
{
    mem_free(saver->checkpoint.history);
    comm_vote_free(&saver->vote);
    *saver = (Saver){0};
}
