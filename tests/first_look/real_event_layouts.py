"""Public data sets of events and counts in small; see `real_layouts`."""

from __future__ import annotations

from tests.first_look.real_layouts import Layout, lines, utc

EVENTS = (
    # github.com/Coder-Yu/QRec, dataset/lastfm-2k/readme.txt
    Layout(
        "Last.fm, HetRec 2011",
        "user_artists.dat",
        lines("userID\tartistID\tweight", "2\t51\t13883", "2\t52\t690", "3\t51\t1"),
        {"user": "userID", "movie": "artistID", "rating": "weight"},
        ((2, 51, 13883, None), (2, 52, 690, None), (3, 51, 1, None)),
    ),
    # The head of usersha1-artmbid-artname-plays.tsv in lastfm-dataset-360K
    Layout(
        "Last.fm 360K",
        "usersha1-artmbid-artname-plays.tsv",
        lines(
            "00000c289a18\t3bd73256-3905-4f3a-97e2-8b3415270001\tbetty & co\t2137",
            '00000c289a18\tf2fb0ff0-5679-42ec-a55c-15109ce60002\t"weird" al\t1099',
            '00001411dc42\tf2fb0ff0-5679-42ec-a55c-15109ce60002\t"weird" al\t3',
        ),
        {"user": 1, "movie": 2, "rating": 4, "quote": None},
        (
            ("00000c289a18", "3bd73256-3905-4f3a-97e2-8b3415270001", 2137, None),
            ("00000c289a18", "f2fb0ff0-5679-42ec-a55c-15109ce60002", 1099, None),
            ("00001411dc42", "f2fb0ff0-5679-42ec-a55c-15109ce60002", 3, None),
        ),
    ),
    # github.com/eifuentes/lastfm-dataset-1K, README
    Layout(
        "Last.fm 1K",
        "userid-timestamp-artid-artname-traid-traname.tsv",
        lines(
            'user_000639\t2009-04-08T01:57:47Z\tmbid-1\tThe Dogs\tmbid-7\tFall in "Love"?',
            'user_000640\t2009-04-08T01:53:56Z\tmbid-2\tThe Dogs\tmbid-8\t"Wait',
        ),
        {"user": 1, "movie": 3, "rating": None, "time": 2, "quote": None},
        (
            ("user_000639", "mbid-1", 1, utc(2009, 4, 8, 1, 57, 47)),
            ("user_000640", "mbid-2", 1, utc(2009, 4, 8, 1, 53, 56)),
        ),
    ),
    # github.com/huaiyudavid/vgml, parse_data.py: five columns, the last always 0
    Layout(
        "Steam 200k",
        "steam-200k.csv",
        lines(
            "151603712,Dusk Town,purchase,1.0,0",
            "151603712,Dusk Town,play,2273.5,0",
            '59945701,"Fort, The",purchase,1.0,0',
        ),
        {"user": 1, "movie": 2, "rating": 4},
        (
            (151603712, "Dusk Town", 1, None),
            (151603712, "Dusk Town", 2273.5, None),
            (59945701, "Fort, The", 1, None),
        ),
    ),
    # github.com/ketut-garjita/dezoomcamp2024-project1, README
    Layout(
        "RetailRocket",
        "events.csv",
        lines(
            "timestamp,visitorid,event,itemid,transactionid",
            "1433221332117,257001,view,355001,",
            "1433224214164,992001,transaction,248001,4000",
        ),
        {"user": "visitorid", "movie": "itemid", "rating": None, "time": "timestamp"},
        ((257001, 355001, 1, 1433221332), (992001, 248001, 1, 1433224214)),
    ),
    # github.com/Ye0416/data-mining, 04_Retailed_Recommender_System/README.md
    Layout(
        "Taobao UserBehavior",
        "UserBehavior.csv",
        lines(
            "1,2268318,2520377,pv,1511544070",
            "1,2333346,2520771,buy,1511561733",
            "9,2576651,149192,pv,1511572885",
        ),
        {"user": 1, "movie": 2, "rating": None, "time": 5},
        (
            (1, 2268318, 1, 1511544070),
            (1, 2333346, 1, 1511561733),
            (9, 2576651, 1, 1511572885),
        ),
    ),
    # github.com/RUCAIBox/RecSysDatasets, dataset_info/YOOCHOOSE/README.md
    Layout(
        "YOOCHOOSE",
        "yoochoose-clicks.dat",
        lines(
            "1,2014-04-07T10:51:09.277Z,214530001,0",
            "1,2014-04-07T10:54:09.868Z,214530002,0",
            "2,2014-04-07T13:56:37.614Z,214660001,0",
        ),
        {"user": 1, "movie": 3, "rating": None, "time": 2},
        (
            (1, 214530001, 1, utc(2014, 4, 7, 10, 51, 9)),
            (1, 214530002, 1, utc(2014, 4, 7, 10, 54, 9)),
            (2, 214660001, 1, utc(2014, 4, 7, 13, 56, 37)),
        ),
    ),
    # snap.stanford.edu/data/loc-gowalla.html
    Layout(
        "Gowalla",
        "loc-gowalla_totalCheckins.txt.gz",
        lines(
            "0\t2010-10-19T23:55:27Z\t30.2359091167\t-97.7951395833\t22847",
            "0\t2010-10-18T22:17:43Z\t30.2691029532\t-97.7493953705\t420315",
            "1\t2010-10-17T23:42:03Z\t30.2557309927\t-97.7633857727\t22847",
        ),
        {"user": 1, "movie": 5, "rating": None, "time": 2},
        (
            (0, 22847, 1, utc(2010, 10, 19, 23, 55, 27)),
            (0, 420315, 1, utc(2010, 10, 18, 22, 17, 43)),
            (1, 22847, 1, utc(2010, 10, 17, 23, 42, 3)),
        ),
    ),
    # github.com/RUCAIBox/RecSysDatasets, conversion_tools/src/extended_dataset.py; Latin-1
    Layout(
        "Foursquare TSMC2014",
        "dataset_TSMC2014_NYC.txt",
        lines(
            "470\t49bbd6c0f964\t4bf58dd8d481\tCafé\t40.719810\t-74.002581\t-240\t"
            "Tue Apr 03 18:00:09 +0000 2012",
            "979\t4a43c0aef964\t4bf58dd8d482\tBridge\t40.606799\t-74.044170\t-300\t"
            "Tue Apr 03 18:00:25 +0000 2012",
        ),
        {"user": 1, "movie": 2, "rating": None, "time": 8},
        (
            (470, "49bbd6c0f964", 1, utc(2012, 4, 3, 18, 0, 9)),
            (979, "4a43c0aef964", 1, utc(2012, 4, 3, 18, 0, 25)),
        ),
        encoding="latin-1",
    ),
    # kuairec.com: big_matrix.csv
    Layout(
        "KuaiRec",
        "big_matrix.csv",
        lines(
            "user_id,video_id,play_duration,video_duration,time,date,timestamp,watch_ratio",
            "0,3649,13838,10867,2020-07-05 00:08:23.438,20200705,1593878903.438,1.273397",
            "14,9598,13665,10984,2020-07-05 00:13:41.297,20200705,1593879221.297,0.5",
        ),
        {"movie": "video_id", "rating": "watch_ratio", "time": "timestamp"},
        ((0, 3649, 1.273397, 1593878903), (14, 9598, 0.5, 1593879221)),
    ),
    # kaggle.com/datasets/chiranjivdas09/ta-feng-grocery-dataset
    Layout(
        "Ta-Feng",
        "ta_feng_all_months_merged.csv",
        lines(
            '"TRANSACTION_DT","CUSTOMER_ID","AGE_GROUP","PIN_CODE","PRODUCT_SUBCLASS",'
            '"PRODUCT_ID","AMOUNT","ASSET","SALES_PRICE"',
            '"11/1/2000","01104905","45-49","115",110411,"4710199000001",2,24,30',
            '"11/30/2000","00418683","45-49","115",120107,"4710857000002",1,48,46',
        ),
        {
            "user": "CUSTOMER_ID",
            "movie": "PRODUCT_ID",
            "rating": None,
            "time": "TRANSACTION_DT",
        },
        (
            (1104905, 4710199000001, 1, utc(2000, 11, 1)),
            (418683, 4710857000002, 1, utc(2000, 11, 30)),
        ),
    ),
    # UCI Online Retail as CSV: a quarter of the lines have no customer
    Layout(
        "Online Retail",
        "online_retail.csv",
        lines(
            "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country",
            '536365,85123A,"MUG, RED",6,12/1/2010 8:26,2.55,17850,United Kingdom',
            "C536379,85123A,MUG,-1,12/31/2010 9:41,2.55,14527,United Kingdom",
            "536414,22139,,56,12/1/2010 11:52,0,,United Kingdom",
        ),
        {
            "user": "CustomerID",
            "movie": "StockCode",
            "rating": "Quantity",
            "time": "InvoiceDate",
        },
        (
            (17850, "85123A", 6, utc(2010, 12, 1, 8, 26)),
            (14527, "85123A", -1, utc(2010, 12, 31, 9, 41)),
        ),
        "a run stops above 1% of lines refused (ingest.max_reject_fraction)",
    ),
)
