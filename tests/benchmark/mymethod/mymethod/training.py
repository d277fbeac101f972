from mymethod import MyMethod
from talkbench.training.objectives.objective import Objective


class MyObjective(Objective):
    """Draw the driving frame from the source and from itself, over some noise."""

    trains = MyMethod

    def random(self, draw):
        return draw.normal(1, 1, 1)  # (B, 1, 1, 1)

    def terms(self, source, driving, random):
        prediction = self.networks["generator"](source, driving + 0.01 * random)
        return self.image_term(prediction, driving)  # perceptual, or its stand-in
