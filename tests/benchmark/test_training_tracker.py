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


def test_names_of_metrics_are_such_as_mlflow_takes(monkeypatch):
    sent = []
    tracker = TrainingTracker("sqlite:///none", print)
    tracker._client = object()
    monkeypatch.setattr(tracker, "_call", lambda name, run, metrics: sent.extend(metrics))
    tracker.log(3, {"validation/akd@mp68": 2.5, "validation/copy-source/akd@mp68": 4.5})
    tracker.flush()
    assert [(metric.key, metric.value, metric.step) for metric in sent] == [
        ("validation/akd.mp68", 2.5, 3),
        ("validation/copy-source/akd.mp68", 4.5, 3),
    ]
