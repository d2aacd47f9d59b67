"""Every column name of every data set. No other module may write a column name as a literal."""

USER_ID = "user_id"
MOVIE_ID = "movie_id"
RATING = "rating"
RATED_AT = "rated_at"
RATED_ON = "rated_on"

YEAR = "year"
TITLE = "title"
GENRES = "genres"

POSITION = "position"

FILE = "file"
LINE = "line"
OFFSET = "offset"
TEXT = "text"
REASON = "reason"

ID = "id"
INDEX = "index"
NUM_RATINGS = "num_ratings"

USER_INDEX = "user_index"
MOVIE_INDEX = "movie_index"
BUCKET = "bucket"

PREDICTION = "prediction"
PREDICTION_STD = "prediction_std"
FALLBACK = "fallback"
FOLDED_IN = "folded_in"

EFFECT = "effect"
NEIGHBOR_INDEX = "neighbor_index"
SIMILARITY = "similarity"

DAY = "day"
RATING_SUM = "rating_sum"
NUM_MEMBERS = "num_members"
BIN = "bin"
SCORE = "score"
RANK = "rank"
REASONS = "reasons"
CONTRIBUTION = "contribution"

SIMILAR_MOVIE_ID = "similar_movie_id"
SIMILAR_TITLE = "similar_title"
