"""The paths of one run. Paths are strings (local, hdfs://, s3a://), joined with `/`."""

from dataclasses import dataclass

from recspark.contract.catalog import DataSet
from recspark.contract.columns import BUCKET

# Inside a model's folder: the model card, the training history with one line per epoch, and a model
# fitted by Spark, in Spark's own format.
MODEL_CARD = "model.json"
USES_TIMES = "uses_times"
"""Entry of a model's card, and of the counts of its predictions: whether the model asks when a pair
is rated. Figures on test, where those times are known, then belong to a protocol of their own."""
RANKS_ONLY = "ranks_only"
"""Entry of the card of a model that ranks movies and predicts no ratings."""
SIGNAL_WEIGHTS = "signal_weights"
"""Entry of the card of a model that scores from histories: what a rating weighs, see `Signal`."""
HISTORY = "history.jsonl"
SPARK_MODEL = "spark_model"

BLEND = "blend"
"""Name of the blend among the models of a run."""
LIST_BLEND = "list_blend"
"""Name of the blend of lists."""
BLENDS = (BLEND, LIST_BLEND)
"""The models that the blend job makes. They have no preset: their settings are the run's own."""

# Inside the folders of explore, report and a search.
PAGE = "index.html"
# Inside the folder of a search: its trials, and the settings of the best one.
TRIALS = "trials.json"
BEST = "best.yaml"
# Inside the folder of explore.
STATISTICS = "statistics.json"


def bucket_folder(path: str, bucket: int) -> str:
    """Return the folder of one bucket of a data set that is partitioned by bucket."""
    return f"{path.rstrip('/')}/{BUCKET}={bucket}"


@dataclass(frozen=True)
class RunPaths:
    """The layout of one run directory."""

    root: str

    def _at(self, *parts: str) -> str:
        return "/".join([self.root.rstrip("/"), *parts])

    def of(self, kind: DataSet, **names: str) -> str:
        """Return the path of a data set of the catalog; `names` fill the braces in its place."""
        return self._at(kind.place.format(**names))

    @property
    def ratings(self) -> str:
        return self._at("ratings")

    @property
    def movies(self) -> str:
        return self._at("movies")

    @property
    def probe(self) -> str:
        return self._at("probe")

    @property
    def qualifying(self) -> str:
        return self._at("qualifying")

    @property
    def rejects(self) -> str:
        return self._at("rejects")

    @property
    def rejects_of_failed_run(self) -> str:
        return self._at("rejects_of_failed_run")

    @property
    def users(self) -> str:
        return self._at("users")

    @property
    def unpacked(self) -> str:
        return self._at("unpacked")

    @property
    def explore(self) -> str:
        return self._at("explore")

    @property
    def settled(self) -> str:
        return self._at("settled")

    @property
    def user_index(self) -> str:
        return self._at("user_index")

    @property
    def movie_index(self) -> str:
        return self._at("movie_index")

    @property
    def user_indexer(self) -> str:
        return self._at("indexers", "user")

    @property
    def movie_indexer(self) -> str:
        return self._at("indexers", "movie")

    @property
    def train(self) -> str:
        return self._at("train")

    @property
    def valid(self) -> str:
        return self._at("valid")

    @property
    def test(self) -> str:
        return self._at("test")

    @property
    def fold_in(self) -> str:
        return self._at("fold_in")

    @property
    def leaderboard(self) -> str:
        return self._at("leaderboard.json")

    @property
    def lists_leaderboard(self) -> str:
        return self._at("lists.json")

    @property
    def lists_verdict(self) -> str:
        return self._at("lists_verdict.json")

    def model(self, name: str) -> str:
        return self._at("models", name)

    def checkpoints(self, name: str) -> str:
        return self._at("checkpoints", name)

    def tune(self, name: str) -> str:
        return self._at("tune", name)

    def study(self, name: str) -> str:
        """Return the file of the trials of a search that has not ended."""
        return self._at("studies", f"{name}.json")

    def tensorboard(self, name: str) -> str:
        return self._at("tensorboard", name)

    def predictions(self, name: str) -> str:
        return self._at("predictions", name)

    def scored_pairs(self, source: str, name: str) -> str:
        return self._at("scored_pairs", source, name)

    def contest(self, name: str) -> str:
        return self._at("contest", name)

    def recommendations(self, name: str) -> str:
        return self._at("recommendations", name)

    def new_recommendations(self, name: str) -> str:
        return self._at("new_recommendations", name)

    def exported_lists(self, name: str) -> str:
        return self._at("exported_lists", name)

    def similar_movies(self, name: str) -> str:
        return self._at("similar_movies", name)

    @property
    def all_metrics(self) -> str:
        return self._at("metrics")

    def metrics(self, name: str) -> str:
        return self._at("metrics", f"{name}.json")

    @property
    def report(self) -> str:
        return self._at("report")
