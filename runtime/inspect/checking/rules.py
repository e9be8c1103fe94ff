"""The rules by name: what of Python's world workflow code may not call, why, and what to write instead.

Both ways of looking ask here: the one that reads source and the one that watches calls.
"""

from __future__ import annotations

from msgspec import Struct


class Rule(Struct, frozen=True):
    """`names` are dotted names; one that ends in `.*` stands for all below it, and only calls of these count."""

    names: tuple[str, ...]
    why: str
    instead: str
    reaches: bool = False
    """Counts too where a library does it for the workflow, out of sight of who reads the source."""


def _rule(why: str, instead: str, names: str, *, reaches: bool = False) -> Rule:
    return Rule(tuple(names.split()), why, instead, reaches)


CLOCK = "a clock shows another time at every replay"
CHANCE = "it draws something else at every replay"
STEP = "do it in a step, whose outcome is recorded"
ASKS = "it happens again at every replay, and may answer otherwise"
BESIDE = "what runs beside the workflow is not recorded, and begins again at every replay"
LOOP = "only an event loop can serve it, and a workflow runs on none"

RULES = (
    # -- time ----------------------------------------------------------------------------------------------------------
    _rule("it blocks the whole node, and again at every replay", "await perdure.sleep(timedelta(…))", "time.sleep"),
    _rule(
        CLOCK,
        "perdure.now()",
        "time.time time.time_ns time.monotonic time.monotonic_ns time.perf_counter time.perf_counter_ns time.process_time "
        "time.process_time_ns time.thread_time time.thread_time_ns time.clock_gettime time.clock_gettime_ns time.localtime time.gmtime "
        "time.ctime time.asctime time.strftime datetime.datetime.now datetime.datetime.utcnow datetime.datetime.today",
        reaches=True,
    ),
    _rule(CLOCK, "perdure.now().date()", "datetime.date.today", reaches=True),
    _rule("it takes the time zone of the machine", "name the zone: fromtimestamp(seconds, UTC)", "datetime.datetime.fromtimestamp"),
    # -- chance --------------------------------------------------------------------------------------------------------
    _rule("two runs of one process share it, and a replay draws something else", "perdure.random()", "random.*", reaches=True),
    _rule(
        CHANCE, "perdure.random(), or a step that makes the secret", "secrets.* os.urandom os.getrandom random.SystemRandom", reaches=True
    ),
    _rule(CHANCE, "perdure.uuid()", "uuid.uuid1 uuid.uuid4 uuid.uuid6 uuid.uuid7 uuid.uuid8 uuid.getnode", reaches=True),
    _rule(CHANCE, "perdure.random(), or a step that returns the numbers", "numpy.random.*"),
    # -- surroundings --------------------------------------------------------------------------------------------------
    _rule(
        "the environment of the next process may be another",
        "hand it to the workflow as an argument, or read it in a step",
        "os.environ os.environb os.getenv os.getenvb os.putenv os.unsetenv os.getcwd os.getpid os.getppid os.getuid os.getlogin "
        "os.cpu_count os.uname platform.* getpass.* locale.* sys.argv sys.getrecursionlimit",
    ),
    _rule("nobody is there to answer at a replay", "await perdure.signal(name, type)", "builtins.input"),
    # -- files ---------------------------------------------------------------------------------------------------------
    _rule(ASKS, STEP, "builtins.open io.open os.open", reaches=True),
    _rule(
        ASKS,
        STEP,
        "os.listdir os.scandir os.walk os.stat os.lstat os.access os.remove os.unlink os.rename os.replace os.mkdir os.makedirs os.rmdir "
        "os.chmod os.link os.symlink os.readlink os.truncate os.path.exists os.path.isfile os.path.isdir os.path.islink os.path.getsize "
        "os.path.getmtime os.path.getatime os.path.getctime os.path.realpath os.path.abspath os.path.expanduser os.path.expandvars "
        "shutil.* tempfile.* glob.glob glob.iglob fileinput.* sqlite3.* aiosqlite.*",
    ),
    _rule(
        ASKS,
        STEP,
        " ".join(
            f"pathlib.Path.{name}"
            for name in (
                "open read_text read_bytes write_text write_bytes exists is_file is_dir is_symlink iterdir glob rglob walk stat lstat "
                "touch mkdir rmdir unlink rename replace symlink_to hardlink_to chmod resolve absolute cwd home expanduser owner readlink"
            ).split()
        ),
    ),
    # -- network -------------------------------------------------------------------------------------------------------
    _rule(ASKS, STEP, "socket.* ssl.*", reaches=True),
    _rule(
        ASKS,
        STEP,
        "requests.* httpx.* aiohttp.* urllib3.* urllib.request.* http.client.* smtplib.* ftplib.* imaplib.* poplib.* xmlrpc.client.* "
        "websockets.* grpc.* boto3.* botocore.* psycopg.* psycopg2.* asyncpg.* redis.* pymongo.* pymysql.* aiofiles.* nats.*",
    ),
    # -- processes and threads -----------------------------------------------------------------------------------------
    _rule(ASKS, STEP, "subprocess.* os.system os.popen os.fork os.forkpty os.posix_spawn os.posix_spawnp os.kill", reaches=True),
    _rule(
        BESIDE,
        "perdure.gather or perdure.task_group, and steps for what must run",
        "threading.* _thread.* multiprocessing.* concurrent.futures.*",
    ),
    # -- event loops ---------------------------------------------------------------------------------------------------
    _rule(
        LOOP,
        "await perdure.sleep(timedelta(…))",
        "asyncio.sleep anyio.sleep anyio.sleep_until anyio.sleep_forever trio.sleep trio.sleep_until",
    ),
    _rule(
        BESIDE,
        "await perdure.gather(…), or async with perdure.task_group()",
        "asyncio.gather asyncio.create_task asyncio.ensure_future asyncio.TaskGroup anyio.create_task_group trio.open_nursery",
    ),
    _rule(
        LOOP,
        "async with perdure.timeout(timedelta(…))",
        "asyncio.wait_for asyncio.timeout asyncio.timeout_at anyio.fail_after anyio.move_on_after anyio.fail_at anyio.move_on_at "
        "anyio.CancelScope trio.fail_after trio.move_on_after trio.CancelScope",
    ),
    _rule(LOOP, "await perdure.first_of(…)", "asyncio.wait asyncio.as_completed"),
    _rule(
        LOOP,
        "nothing: only one branch of a run moves at a time; wait for the outside with perdure.signal",
        "asyncio.Lock asyncio.Event asyncio.Condition asyncio.Semaphore asyncio.BoundedSemaphore asyncio.Barrier asyncio.Queue "
        "asyncio.PriorityQueue asyncio.LifoQueue asyncio.Future anyio.Lock anyio.Event anyio.Condition anyio.Semaphore "
        "anyio.CapacityLimiter anyio.create_memory_object_stream",
    ),
    _rule(CLOCK, "perdure.now()", "anyio.current_time trio.current_time"),
    _rule(LOOP, STEP, "asyncio.* anyio.* trio.*"),
    # -- identity ------------------------------------------------------------------------------------------------------
    _rule("it is an address of this process", "compare with `is`, or name things by your own keys", "builtins.id"),
    _rule("the hash of a str or bytes is another one in every process", "hashlib.sha256(…), the same everywhere", "builtins.hash"),
)

CALM = frozenset(
    "asyncio.iscoroutine asyncio.iscoroutinefunction asyncio.isfuture asyncio.CancelledError asyncio.TimeoutError asyncio.QueueEmpty "
    "anyio.get_cancelled_exc_class httpx.URL httpx.Headers httpx.QueryParams httpx.Timeout requests.HTTPError requests.RequestException "
    "socket.inet_aton socket.inet_ntoa socket.htons socket.ntohs socket.htonl socket.ntohl random.setstate secrets.compare_digest "
    "locale.Error shutil.Error socket.error".split()
)
"""What a `.*` would cover, and is the same everywhere."""

VALUES = ("os.environ", "os.environb", "sys.argv")
"""What is no function: whatever is done with it counts."""

CALM_BELOW = ("random.Random.", "random.SystemRandom.")
"""Methods of what was judged where it was made."""

HARMLESS_FROM = {
    "random.Random": 1,
    "numpy.random.default_rng": 1,
    "numpy.random.RandomState": 1,
    "time.gmtime": 1,
    "time.asctime": 1,
    "time.strftime": 2,
    "datetime.datetime.fromtimestamp": 2,
}
"""From how many arguments on the answer depends on these alone."""

_EXACT = {name: rule for rule in RULES for name in rule.names if not name.endswith(".*")}
_BELOW = {name.removesuffix(".*"): rule for rule in RULES for name in rule.names if name.endswith(".*")}


def rule_of(name: str, *, called: bool = True) -> Rule | None:
    """The rule that forbids a dotted name; of what stands below a `.*` only calls."""
    if name in CALM or name.startswith(CALM_BELOW):
        return None
    exact = _EXACT.get(value_of(name))
    if exact is not None or not called:
        return exact
    above = name
    while "." in above:
        above = above.rpartition(".")[0]
        if above in _BELOW:
            return _BELOW[above]
    return None


def value_of(name: str) -> str:
    """`os.environ` of `os.environ.get`; any other name as it is."""
    return next((value for value in VALUES if name.startswith(f"{value}.")), name)
