from sharp import Sharp
from talkbench.training.objectives.mcnet import MCNetObjective


class SharpObjective(MCNetObjective):
    """MCNet's terms, and the difference of edges: of neighbouring pixels' differences."""

    trains = Sharp
    own_terms = {"sharpness": 1.0}

    def image_term(self, prediction, driving):
        edges = prediction.diff(dim=3) - driving.diff(dim=3)
        return {**super().image_term(prediction, driving), "sharpness": edges.abs().mean()}
