"""What of a training goes to MLflow, and when."""

from talkbench.benchmark.training_tracker import TrainingTracker


def test_values_are_sent_to_mlflow_together(monkeypatch):
    sent = []
    tracker = TrainingTracker("sqlite:///none", print)
    tracker._client = object()
    monkeypatch.setattr(tracker, "_log_metrics", lambda entries: sent.append(len(entries)))
    for step in range(300):
        tracker.log(step, {"total": 1.0, "consistency": 2.0, "perceptual": float("nan")})
    assert sent == [500]
    tracker.flush()
    assert sent == [500, 100]
