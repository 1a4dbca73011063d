"""Labels from a file: CSV, JSON lines, and the dataset.json of StyleGAN, in a folder as in an archive."""

from __future__ import annotations

import json

import pytest
from label_files import BOTH, FOUR, LABELS, PNG, ROWS, Files, Open, images, labels_of

from cganzoo.errors import DataError

# --- tables ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("labels.csv", f"file,label\n{ROWS}"),
        ("any.csv", f"filename,class\n{ROWS}"),
        ("metadata.csv", f"file_name,label\n{ROWS}"),
        ("train.csv", f"image_id,category\n{ROWS}"),
        ("labels.csv", f"id,breed\n{ROWS}"),
        ("labels.csv", f"id,colour\n{ROWS}"),
        ("labels.csv", f"path,target\n{ROWS}".replace("\n", "\r\n")),
        ("labels.csv", f"\ufefffile,label\n{ROWS}\n\n"),
        ("labels.csv", f"file;label\n{ROWS}".replace(",", ";")),
        ("labels.tsv", f"file\tlabel\n{ROWS}".replace(",", "\t")),
        ("labels.csv", 'file, label\n"1.png", cat \n"2.png","cat"\n3.png,"dog"\n4.png,dog,\n'),
        ("labels.csv", "file,label\n1,cat\n2,cat\n3,dog\n4,dog\n"),
        ("labels.csv", "file,label\n./1.png,cat\nimages\\2.png,cat\nset/3.png,dog\n4.png,dog\n4.png,dog\n"),
        ("labels.csv", "label,width,file\ncat,9,1.png\ncat,9,2.png\ndog,9,3.png\ndog,8,4.png\n"),
        ("labels.csv", "file,class_id,class_name\n1.png,0,cat\n2.png,0,cat\n3.png,1,dog\n4.png,1,dog\n"),
        (
            "metadata.jsonl",
            "".join(
                json.dumps({"file_name": file, "label": label, "box": [1, 2]}) + "\n" for file, label in LABELS.items()
            ),
        ),
    ],
)
def test_a_table_gives_the_labels(opened: Open, name: str, text: str) -> None:
    source = opened({**FOUR, name: text})
    assert labels_of(source) == LABELS
    assert source.class_names == ("cat", "dog")
    assert any(note.startswith(f"the classes are read from {name} (column ") for note in source.notes())


@pytest.mark.parametrize("top", ["", "archive/", "a/b/"])
@pytest.mark.parametrize("place", ["", "images/", "00000/"])
def test_the_images_may_be_in_another_folder(opened: Open, top: str, place: str) -> None:
    source = opened({**{f"{top}{place}{name}": PNG for name in FOUR}, f"{top}labels.csv": f"file,label\n{ROWS}"})
    assert labels_of(source) == {f"{top}{place}{name}": label for name, label in LABELS.items()}


def test_numbers_are_sorted_by_their_value(opened: Open) -> None:
    text = "file,label\n1.png,10\n2.png,10\n3.png,9\n4.png,9\n"
    assert opened({**FOUR, "labels.csv": text}).class_names == ("9", "10")


def test_an_accent_written_in_two_ways_is_one(opened: Open) -> None:
    source = opened({**images("e\u0301.png", "2.png"), "labels.csv": "file,label\n\u00e9.png,cat\n2.png,cat\n"})
    assert set(labels_of(source).values()) == {"cat"}


def test_images_without_a_row_are_left_out_and_noted(opened: Open) -> None:
    source = opened({**FOUR, **images("5.png", "6.png"), "labels.csv": f"file,label\n{ROWS}"})
    assert labels_of(source) == LABELS
    assert "2 images without a label in the label file are left out" in source.notes()


HELD_OUT = ({"1.png", "3.png"}, {"2.png", "4.png"})


@pytest.mark.parametrize(
    "files",
    [
        {"labels.csv": "file,label,split\n1.png,cat,train\n2.png,cat,test\n3.png,dog,train\n4.png,dog,test\n"},
        {"train.csv": "file,label\n1.png,cat\n3.png,dog\n", "test.csv": "file,label\n2.png,cat\n4.png,dog\n"},
        {"train.csv": "file,label\n1.png,cat\n3.png,dog\n", "valid.csv": "file,label\n2.png,cat\n4.png,dog\n"},
    ],
)
def test_a_table_gives_the_splits(opened: Open, files: Files) -> None:
    source = opened({**FOUR, **files})
    assert labels_of(source) == LABELS
    assert tuple(map(set, source._files.values())) == HELD_OUT


@pytest.mark.parametrize(
    "files",
    [
        {"metadata.csv": "file_name,label\ntrain/1.png,cat\ntrain/2.png,dog\nval/1.png,cat\n"},
        {
            "train/metadata.csv": "file_name,label\n1.png,cat\n2.png,dog\n",
            "val/metadata.csv": "file_name,label\n1.png,cat\n",
        },
        {"train.csv": "id,label\n1,cat\n2,dog\n", "val.csv": "id,label\n1,cat\n"},
    ],
)  # fmt: skip
def test_folders_of_splits_have_labels_in_tables(opened: Open, files: Files) -> None:
    source = opened({**images("train/1.png", "train/2.png", "val/1.png"), **files})
    assert labels_of(source) == {"train/1.png": "cat", "train/2.png": "dog", "val/1.png": "cat"}
    assert source._files["test"] == ["val/1.png"]


def test_unlabelled_test_images_beside_labelled_ones(opened: Open) -> None:
    """As competitions have them: also with a table of answers to be filled in."""
    rows = "id,breed\n1,cat\n2,cat\n3,dog\n4,dog\n"
    names = [*(f"train/{i}.png" for i in range(1, 5)), "test/a.png", "test/b.png"]
    source = opened({**images(*names), "labels.csv": rows, "sample_submission.csv": "id,breed\na,cat\nb,cat\n"})
    assert labels_of(source) == {f"train/{name}": label for name, label in LABELS.items()}


def test_class_folders_that_a_table_agrees_with_are_used(opened: Open) -> None:
    names = ("cat/1.png", "cat/2.png", "dog/3.png", "dog/4.png")
    rows = "".join(f"{name},{name[:3]}\n" for name in names)
    source = opened({**images(*names), "labels.csv": f"file,label\n{rows}"})
    assert labels_of(source) == {name: name[:3] for name in names}
    assert source.layout().count("classes from folders") == 1


def test_tables_that_say_nothing_of_classes_are_left_alone(opened: Open) -> None:
    names = ("cat/1.png", "cat/2.png", "dog/3.png", "dog/4.png")
    for text in (
        "file,width,height\ncat/1.png,3,4\n", "a,b\n1,2\n", "", "x\n", 'a,"b\n', "file,text\ncat/1.png,a cat\n",
        "file,file\n1,2\n", "file,label\nx.png,1\n", b"file,label\ncat/1.png,\xe9\n",
    ):  # fmt: skip
        source = opened({**images(*names), "table.csv": text})
        assert labels_of(source) == {name: name[:3] for name in names}, text
        noted = any("table.csv is not used: " in note for note in source.notes())
        assert noted == (text in ("", 'a,"b\n', "file,file\n1,2\n", "file,label\nx.png,1\n") or isinstance(text, bytes))


def test_a_table_of_many_columns_beside_one_folder_is_noted(opened: Open) -> None:
    text = "image_id,male,young\n1.png,1,-1\n2.png,-1,1\n3.png,1,1\n4.png,1,1\n"
    files = {**{f"faces/{name}": PNG for name in FOUR}, "attributes.csv": text}
    source = opened(files)
    assert source.class_names == ("faces",)
    assert any("attributes.csv is not used: it has no column of labels" in note for note in source.notes())
    chosen = opened(
        {**files, "attributes.csv": text.replace("-1,1", "1,1")}, labels="attributes.csv", label_column="male"
    )
    assert chosen.class_names == ("1",)


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"labels.csv": "file,label\n1.png,cat\n9.png,dog\n"}, r'labels\.csv: line 3 names "9\.png", and there is no'),
        ({"labels.csv": "file,label\n1.png,cat\n2.png,\n"}, r'labels\.csv: line 3 has no "label"'),
        ({"labels.csv": "file,label\n1.png,cat\n,cat\n"}, r'labels\.csv: line 3 has no "file"'),
        ({"labels.csv": "file,label\n1.png,cat\n1.png,dog\n"}, r'labels\.csv: lines 2 and 3 give "1\.png" different'),
        ({"labels.csv": "file,label,species\n1.png,a,b\n2.png,a,c\n"}, r"several columns of labels: label and species; "
         r'choose one with data\.label_column, for example data\.label_column = "label"'),
        ({"labels.csv": f"file,label\n{ROWS}", "other.csv": f"file,label\n{ROWS}"}, "several files hold labels"),
        ({"labels.csv": b"file,label\n1.png,caf\xe9\n"}, r"labels\.csv is not used: it is not UTF-8; save it as UTF-8"),
        ({"labels.csv": 'file,label\n1.png,"cat\n'}, r"no class; .*labels\.csv is not used: line 2: a quotation"),
        ({"labels.csv": "file,label\nx.png,cat\n"}, 'labels.csv is not used: its column "file" names no image that'),
        ({"labels.csv": "file,label\n../1.png,cat\n1.png,cat\n"}, r'line 2 names "\.\./1\.png", and there is no such'),
        ({"metadata.jsonl": '{"file_name": "1.png", "label": [1, 2]}\n'}, 'line 1: "label" is neither text nor'),
        ({"train.csv": "file,label\n1.png,cat\n", "test.csv": "file,label\n3.png,dog\n"}, "no training image"),
        ({"labels.csv": "file,label,split\n1.png,cat,test\n2.png,cat,val\n"}, r"names no training image"),
    ],
)  # fmt: skip
def test_a_mistake_in_a_table_is_one_message(opened: Open, files: Files, said: str) -> None:
    with pytest.raises(DataError, match=said) as caught:
        opened({**FOUR, **files}).labels()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("label", ["owl", "dog"])
def test_class_folders_and_other_labels_are_refused(opened: Open, label: str) -> None:
    rows = f"cat/1.png,cat\ncat/2.png,{label}\ndog/3.png,dog\ndog/4.png,dog\n"
    files = {**BOTH, "labels.csv": f"file,label\n{rows}"}
    with pytest.raises(DataError, match=r'set data\.labels = "folders" to use the folders, or data\.labels = "labels'):
        opened(files).labels()
    assert labels_of(opened(files, labels="folders")) == {name: name[:3] for name in BOTH}
    assert labels_of(opened(files, labels="labels.csv"))["cat/2.png"] == label


def test_the_user_chooses_file_and_column(opened: Open) -> None:
    files = {**FOUR, "a.csv": "file,label,species\n1.png,x,cat\n2.png,y,cat\n3.png,x,dog\n4.png,x,dog\n"}
    files["b.csv"] = "file,label\n1.png,x\n2.png,x\n3.png,x\n4.png,x\n"
    assert labels_of(opened(files, labels="a.csv", label_column="species")) == LABELS
    assert set(labels_of(opened(files, labels="b.csv")).values()) == {"x"}
    for options, said in (
        ({"labels": "c.csv"}, 'data.labels = "c.csv": no such file in .*did you mean "[ab].csv"'),
        (
            {"labels": "a.csv", "label_column": "kind"},
            'no column "kind" of labels .* its columns: file, label and spec',
        ),
        ({"label_column": "kind"}, '[ab].csv is not used: it has no column "kind" of labels'),
        ({"labels": "a.csv", "label_column": "file"}, 'column "file" .data.label_column. holds no labels but files'),
    ):
        with pytest.raises(DataError, match=said):
            opened(files, **options).labels()


# --- StyleGAN -------------------------------------------------------------------------------------------------------

BUCKETS = images(*(f"{bucket}/img{i}.png" for bucket in ("00000", "00001") for i in range(4)))


def stylegan(*labels: object) -> str:
    return json.dumps({"labels": [[name, label] for name, label in zip(BUCKETS, labels, strict=False)]})


@pytest.mark.parametrize("top", ["", "ffhq/", "a/b/"])
def test_the_labels_of_stylegan(opened: Open, top: str) -> None:
    files = {f"{top}{name}": PNG for name in BUCKETS}
    name = "DATASET.json" if top == "a/b/" else "dataset.json"
    source = opened({**files, f"{top}{name}": stylegan(10, 9, 10, 9, 10, 9, 10, 9)})
    assert source.class_names == ("9", "10"), "in the order of the numbers"
    assert labels_of(source) == {f"{top}{name}": ["10", "9"][i % 2] for i, name in enumerate(BUCKETS)}


def test_no_labels_of_stylegan_are_one_class(opened: Open) -> None:
    source = opened({**BUCKETS, "dataset.json": '{"labels": null}'})
    assert len(source.class_names) == 1
    assert len(labels_of(source)) == 8


def test_stylegan_s_labels_of_each_split(opened: Open) -> None:
    files = {f"{split}/{name}": PNG for split in ("train", "test") for name in BUCKETS}
    labels = stylegan(0, 1, 0, 1, 0, 1, 0, 1)
    source = opened({**files, "train/dataset.json": labels, "test/dataset.json": labels})
    assert {split: labels.tolist() for split, labels in source.labels().items()} == {
        "train": [0] * 4 + [1] * 4,
        "test": [0] * 4 + [1] * 4,
    }


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "is not JSON, or is damaged"),
        ("[" * 100_000, "is not JSON, or is damaged"),
        ("9" * 5000, 'holds no "labels"|is not JSON'),
        ("[]", 'holds no "labels"'),
        ("{}", 'holds no "labels"'),
        ('{"labels": 3}', '"labels" is neither a list nor null'),
        ('{"labels": [3]}', "entry 1 of labels is not a pair"),
        ('{"labels": [["00000/img0.png", 1, 2]]}', "entry 1 of labels is not a pair"),
        ('{"labels": [["00000/img9.png", 1]]}', 'names "00000/img9.png", and there is no such image'),
        (stylegan(0, -1), 'entry 2 of labels: the label of "00000/img1.png" is -1, not a number from 0'),
        (stylegan(0, "1"), 'is "1", not a number'),
        (stylegan(0, 1.0), "is 1.0, not a number"),
        (stylegan(True), "is true, not a number"),
        (stylegan([0, 1]), r"is \[0, 1\], not a number"),
        (stylegan(0, 1, 0, 1, 0, 1), "has no label for 2 images, such as 00001/img2.png"),
        ('{"labels": [["00000/img0.png", 1], ["00000/img0.png", 2]]}', "has another label above"),
    ],
)
def test_a_mistake_in_stylegan_s_labels_is_one_message(opened: Open, text: str, said: str) -> None:
    with pytest.raises(DataError, match=said) as caught:
        opened({**BUCKETS, "dataset.json": text}).labels()
    assert "\n" not in str(caught.value)
    assert 'set data.labels = "folders"' in str(caught.value) or "such image" in said or "above" in said
    assert opened({**BUCKETS, "dataset.json": text}, labels="folders").class_names == ("00000", "00001")
