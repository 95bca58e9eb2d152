"""How many cores can one build keep busy? More cores than there are, emulated.

    python -m tests.benchmarks.cores

What NumPy does without Python's lock is slept, for which no core is needed; what is done under the
lock, some 9 % of the time, is done. So threads wait for the lock, and for each other to hand it
over, as they would with a core each. A thread's work is that of a build: of each batch seeds, then
many calls of NumPy with a little Python in between, and now and then the rows of a shard.

The table says how many times the work of one thread is done. Run it on a quiet machine, or at a
high priority (`nice -n -15`): whatever keeps a thread from waking counts as waiting.
"""

import argparse
import subprocess
import sys
import threading
import time

from synthgen.shards.engine import SWITCH_SECONDS

CALLS = 150  # of NumPy in a batch of 250 images; of which one takes
CALL_SECONDS = 450e-6
BETWEEN_SECONDS = 20e-6  # of Python, after each of them
SEED_SECONDS = 1.2e-3  # seeds and latents of a batch
ROW_SECONDS = 80e-3  # manifest rows, hashes and headers of a shard
BATCHES = 40  # of a shard
LAYOUTS = ((1, 1), (1, 4), (1, 8), (2, 4), (1, 16), (4, 4))  # processes, threads of each


def steps_per_second() -> float:
    """Return how many steps of an empty loop a core does while it works for nobody else."""
    steps = 20_000
    times = []
    for _ in range(20):
        began = time.thread_time()
        hold_lock(steps)
        times.append(time.thread_time() - began)
    return steps / min(times)


def hold_lock(steps: float) -> None:
    """Keep Python's lock for some steps."""
    for _ in range(int(steps)):
        pass


def batches_done(threads: int, seconds: float, interval: float) -> float:
    """Return how many batches a second the threads of this process do.

    Args:
        threads: how many there are.
        seconds: for which they work.
        interval: seconds after which a thread must let another one have the lock.
    """
    speed = steps_per_second()
    sys.setswitchinterval(interval)
    done = [0] * threads
    end = time.perf_counter() + seconds

    def work(own: int) -> None:
        while time.perf_counter() < end:
            hold_lock(SEED_SECONDS * speed)
            for _ in range(CALLS):
                time.sleep(CALL_SECONDS)
                hold_lock(BETWEEN_SECONDS * speed)
            done[own] += 1
            if done[own] % BATCHES == own % BATCHES:
                hold_lock(ROW_SECONDS * speed)

    workers = [threading.Thread(target=work, args=(own,)) for own in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return sum(done) / seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=6.0)
    parser.add_argument("--interval", type=float, default=SWITCH_SECONDS)
    parser.add_argument("--threads", type=int, help="only these, in this process")
    options = parser.parse_args()
    if options.threads:
        print(batches_done(options.threads, options.seconds, options.interval))
        return

    one = 0.0
    print("| processes | threads of each | cores' worth of work |")
    print("|--:|--:|--:|")
    for processes, threads in LAYOUTS:
        command = [sys.executable, "-m", "tests.benchmarks.cores", "--threads", str(threads)]
        command += ["--seconds", str(options.seconds), "--interval", str(options.interval)]
        started = [
            subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(processes)
        ]
        rate = sum(float(process.communicate()[0]) for process in started)
        one = one or rate
        print(f"| {processes} | {threads} | {rate / one:.1f} |", flush=True)


if __name__ == "__main__":
    main()
