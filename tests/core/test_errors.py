import pickle

from talkbench.core.errors import PairError, TalkbenchError


def test_a_pair_error_carries_its_reason_out_of_a_worker_process():
    error = pickle.loads(pickle.dumps(PairError("no-face", "no face in frame 3 of clip a")))  # noqa: S301
    assert isinstance(error, TalkbenchError)
    assert error.reason == "no-face"
    assert str(error) == "no face in frame 3 of clip a"
