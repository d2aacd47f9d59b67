"""Public data sets in small: the shape is theirs, the rows are made up."""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

Row = tuple[int | str, int | str, float, int | None]


@dataclass(frozen=True)
class Layout:
    """A data set.

    Attributes:
        name: Its name in docs/data-formats.md.
        file: The name of its file.
        text: The file.
        table: What `recspark inspect` is to print for `ingest.table`.
        rows: Its ratings: user, movie, rating, seconds since 1970.
        note: What else `recspark inspect` is to say.
        encoding: The encoding of the file.
    """

    name: str
    file: str
    text: str
    table: Mapping[str, Any]
    rows: tuple[Row, ...]
    note: str = ""
    encoding: str = "utf-8"

    def write(self, folder: Path) -> Path:
        """Write the file, compressed if its name says so."""
        data = self.text.encode(self.encoding)
        path = folder / self.file
        path.write_bytes(gzip.compress(data) if self.file.endswith(".gz") else data)
        return path


def utc(*parts: int) -> int:
    return int(datetime(*parts, tzinfo=timezone.utc).timestamp())  # type: ignore[misc,arg-type]


def lines(*rows: str) -> str:
    return "".join(f"{row}\n" for row in rows)


def objects(*rows: dict[str, Any]) -> str:
    return lines(*map(json.dumps, rows))


def amazon(user: str, item: str, stars: float, time: int) -> dict[str, Any]:
    return {
        "reviewerID": user,
        "asin": item,
        "reviewerName": 'Jo "K"',
        "helpful": [2, 3],
        "reviewText": "So so,\nbut loud",
        "overall": stars,
        "summary": "ok",
        "unixReviewTime": time,
        "reviewTime": "03 15, 2012",
    }


def yelp(user: str, item: str, stars: float, date: str) -> dict[str, Any]:
    return {
        "review_id": f"r-{user}",
        "user_id": user,
        "business_id": item,
        "stars": stars,
        "useful": 0,
        "text": "Nice.\n\nGo.",
        "date": date,
    }


def goodreads(user: str, book: str, rating: int, added: str) -> dict[str, Any]:
    return {
        "user_id": user,
        "book_id": book,
        "is_read": True,
        "rating": rating,
        "date_added": added,
        "date_updated": added,
        "read_at": "",
    }


RATINGS = (
    # github.com/XuefengHuang/spark-book-recommender-system, README
    Layout(
        "Book-Crossing",
        "BX-Book-Ratings.csv",
        lines(
            '"User-ID";"ISBN";"Book-Rating"',
            '"276001";"034500001X";"0"',
            '"276001";"0155000002";"5"',
            '"276004";"Mänz 0815";"8"',
            '"276004";"0155000002";"10"',
        ),
        {"user": "User-ID", "movie": "ISBN", "rating": "Book-Rating"},
        (
            (276001, "034500001X", 0, None),
            (276001, "0155000002", 5, None),
            (276004, "Mänz 0815", 8, None),
            (276004, "0155000002", 10, None),
        ),
        "1 ratings are 0: if that means not rated, set ingest.table.missing: [0]",
        encoding="latin-1",
    ),
    # bookdata.piret.info/data/amazon.html: user, item, rating, timestamp, without names
    Layout(
        "Amazon 2014, ratings only",
        "ratings_Books.csv",
        lines("A1QX7ZM,0000013714,5.0,1252800000", "AB2QX7,B000FA64PK,2.0,1355616000"),
        {"user": 1, "movie": 2, "rating": 3, "time": 4},
        (
            ("A1QX7ZM", "0000013714", 5, 1252800000),
            ("AB2QX7", "B000FA64PK", 2, 1355616000),
        ),
    ),
    # jmcauley.ucsd.edu/data/amazon, "Sample review"
    Layout(
        "Amazon 2014, reviews",
        "reviews_Music_5.json.gz",
        objects(
            amazon("A1QX7ZM", "0000013714", 5.0, 1252800000),
            amazon("AB2QX7", "B000FA64PK", 2.0, 1355616000),
        ),
        {"user": "reviewerID", "movie": "asin", "rating": "overall", "time": "unixReviewTime"},
        (
            ("A1QX7ZM", "0000013714", 5, 1252800000),
            ("AB2QX7", "B000FA64PK", 2, 1355616000),
        ),
    ),
    # amazon-reviews-2023.github.io, 5-core rating-only files
    Layout(
        "Amazon 2023, ratings only",
        "All_Beauty.csv",
        lines(
            "user_id,parent_asin,rating,timestamp",
            "AGKHLEW2,B0BSN00001,5.0,1588687728923",
            "AGKHLEW3,B0BSN00002,1.0,1588687729000",
        ),
        {"movie": "parent_asin", "time": "timestamp"},
        (
            ("AGKHLEW2", "B0BSN00001", 5, 1588687728),
            ("AGKHLEW3", "B0BSN00002", 1, 1588687729),
        ),
    ),
    # The tab-separated files of amazon-reviews-pds; titles hold single quotes of inches
    Layout(
        "Amazon Customer Reviews",
        "amazon_reviews_us_Music_v1_00.tsv",
        lines(
            "marketplace\tcustomer_id\treview_id\tproduct_id\tproduct_title\tstar_rating\t"
            "helpful_votes\ttotal_votes\treview_headline\treview_date",
            'US\t22480001\tR28HB\tB00EDB0001\t"Best of" 12" Mix\t5\t0\t0\t"Great\t2015-08-31',
            "US\t22480002\tR28HC\t0843900001\tThe Rising\t4\t1\t2\tFine\t2015-08-30",
        ),
        {
            "user": "customer_id",
            "movie": "product_id",
            "rating": "star_rating",
            "time": "review_date",
            "quote": None,
        },
        (
            (22480001, "B00EDB0001", 5, utc(2015, 8, 31)),
            (22480002, "0843900001", 4, utc(2015, 8, 30)),
        ),
    ),
    # yelp.com/dataset/documentation, review.json
    Layout(
        "Yelp",
        "yelp_academic_dataset_review.json",
        objects(
            yelp("mh_-eMZ6", "-XQfwVwD", 4.0, "2018-07-07 22:09:11"),
            yelp("OyoGAe7O", "7ATYjTIg", 1.0, "2012-01-03 15:28:18"),
        ),
        {"movie": "business_id", "rating": "stars", "time": "date"},
        (
            ("mh_-eMZ6", "-XQfwVwD", 4, utc(2018, 7, 7, 22, 9, 11)),
            ("OyoGAe7O", "7ATYjTIg", 1, utc(2012, 1, 3, 15, 28, 18)),
        ),
    ),
    # cseweb.ucsd.edu/~jmcauley/datasets/goodreads.html, with its times of the US West Coast
    Layout(
        "Goodreads, interactions by genre",
        "goodreads_interactions_poetry.json.gz",
        objects(
            goodreads("8842281e1d", "1384", 4, "Wed May 09 18:28:57 -0700 2007"),
            goodreads("8842281e1e", "1376", 5, "Fri Jan 05 10:53:53 -0800 2007"),
        ),
        {"movie": "book_id", "time": "date_added"},
        (
            ("8842281e1d", 1384, 4, utc(2007, 5, 10, 1, 28, 57)),
            ("8842281e1e", 1376, 5, utc(2007, 1, 5, 18, 53, 53)),
        ),
    ),
    # The same page: its first lines of goodreads_interactions.csv
    Layout(
        "Goodreads, all interactions",
        "goodreads_interactions.csv",
        lines(
            "user_id,book_id,is_read,rating,is_reviewed", "0,948,1,5,0", "0,71,0,0,0", "1,948,1,3,1"
        ),
        {"movie": "book_id"},
        ((0, 948, 5, None), (0, 71, 0, None), (1, 948, 3, None)),
    ),
    # github.com/shimakaze-git/recommendation, anime_recommendations/README.md
    Layout(
        "MyAnimeList",
        "rating.csv",
        lines("user_id,anime_id,rating", "1,20,-1", "1,24,8", "3,20,7", "3,79,-1", "5,20,10"),
        {"movie": "anime_id", "missing": [-1]},
        ((1, 24, 8, None), (3, 20, 7, None), (5, 20, 10, None)),
        "2 ratings of -1 mean not rated, as it seems",
    ),
    # github.com/sidooms/MovieTweetings, README
    Layout(
        "MovieTweetings",
        "ratings.dat",
        lines(
            "1::0111161::10::1373234211", "1::0060196::7::1363245118", "2::0111161::0::1379255422"
        ),
        {"user": 1, "movie": 2, "rating": 3, "time": 4},
        (
            (1, 111161, 10, 1373234211),
            (1, 60196, 7, 1363245118),
            (2, 111161, 0, 1379255422),
        ),
    ),
    # github.com/guoguibing/librec, librec/demo/Datasets/FilmTrust/ratings.txt
    Layout(
        "FilmTrust",
        "ratings.txt",
        lines("1 1 2", "1 12 4", "2 1 3.5", "2 7 0.5"),
        {"user": 1, "movie": 2, "rating": 3},
        ((1, 1, 2, None), (1, 12, 4, None), (2, 1, 3.5, None), (2, 7, 0.5, None)),
    ),
    # github.com/colbyziyuwang/GNN_FoodRec, food-data/README.md; reviews hold line ends
    Layout(
        "Food.com",
        "RAW_interactions.csv",
        lines(
            "user_id,recipe_id,date,rating,review",
            '38094,40893,2003-02-17,4,"Great with ""salad"".\r',
            "7,8,2001-01-01,1,no row",
            'Thanks, all"',
            "1293707,40893,2011-12-21,5,So simple",
        ),
        {"movie": "recipe_id", "time": "date"},
        ((38094, 40893, 4, utc(2003, 2, 17)), (1293707, 40893, 5, utc(2011, 12, 21))),
    ),
    # recbole.io, atomic files
    Layout(
        "RecBole",
        "ml-100k.inter",
        lines(
            "user_id:token\titem_id:token\trating:float\ttimestamp:float",
            "196\t242\t3\t881250949",
            "186\ti302\t3.5\t891717742",
        ),
        {
            "user": "user_id:token",
            "movie": "item_id:token",
            "rating": "rating:float",
            "time": "timestamp:float",
        },
        ((196, "242", 3, 881250949), (186, "i302", 3.5, 891717742)),
    ),
)
