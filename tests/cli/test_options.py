"""Wrong options: one line on standard error, exit status 2, nothing tried."""
import pytest

CASES = [
    (["classify"], 'FILE is missing: an image; "-" is standard input'),
    (["classify", "--tpo-k", "3", "x"], "unknown option --tpo-k; did you mean --top-k?"),
    (["classify", "-x", "a.jpg"], "unknown option -x"),
    (["classify", "--top-k"], "--top-k wants a value: --top-k N"),
    (["classify", "--top-k", "0", "x"], '--top-k wants a number from 1 to 1000, not "0"'),
    (["classify", "--top-k=1001", "x"], '--top-k wants a number from 1 to 1000, not "1001"'),
    (["classify", "--json=1", "x"], "--json takes no value"),
    (["classify", "--threads", "two", "x"], '--threads wants a number from 1 to 1024, not "two"'),
    (["classify", "--kernels", "sse", "x"], '--kernels is one of auto, generic, blas, avx2, avx512, amx, not "sse"'),
    (["classify", "--model=", "x"], "--model wants a value, not an empty one"),
    (["classify", "a.jpg", ""], "argument 2 is empty"),
    (["eval", "", "x"], "argument 1 is empty"),
    (["models", "resnet50"], 'one argument too many: "resnet50"'),
    (["inspect", "demo", "demo"], 'one argument too many: "demo"'),
    (["eval", "demo"], "DIR|LIST is missing: a tree of one folder a class, or a list file"),
    (["eval", "--limit", "0", "x"], '--limit wants a number from 1 to 2147483647, not "0"'),
    (["bench", "--batch", "1,0"], '--batch wants a number from 1 to 256, not "0"'),
    (["bench", "--batch", "1,,8"], '--batch wants a number from 1 to 256, not ""'),
    (["help", "--format", "html"], '--format is one of text, man, bash, not "html"'),
]


@pytest.mark.parametrize("words, text", CASES, ids=lambda value: " ".join(value)[:40])
def test_it_is_refused(classifyd, words, text):
    done = classifyd(*words)
    assert (done.status, done.out) == (2, "")
    assert done.err == f"classifyd {words[0]}: {text} (classifyd {words[0]} --help)\n"


def test_control_characters_do_not_reach_the_terminal(classifyd):
    done = classifyd("classify", "--\033[2J")
    assert done.status == 2
    assert "\033" not in done.err and "--?[2J" in done.err
