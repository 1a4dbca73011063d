"""Label files: what of them is used, next to class folders and in splits, and what is refused or noted."""

from __future__ import annotations

import json

import pytest
from label_files import BOTH, FOUR, LABELS, PNG, ROWS, Files, Open, images, labels_of

from cganzoo.data.layout.branch import Branch
from cganzoo.data.layout.finder import Finder
from cganzoo.errors import DataError

# --- splits in tables -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("column", "cells", "said"),
    [
        ("split", ("train", "test", "gallery", "test"), 'line 4: "split" is "gallery", which names no split'),
        ("split", ("train", "", "train", "test"), 'line 3: "split" is empty'),
        ("partition", ("0", "0", "1", "1"), 'line 2: "partition" is "0"'),
        ("set", ("train", "test", "train", "gallery"), 'line 5: "set" is "gallery"'),
    ],
)
def test_a_column_of_splits_must_be_understood(opened: Open, column: str, cells: tuple[str, ...], said: str) -> None:
    rows = "".join(f"{file},{label},{cell}\n" for (file, label), cell in zip(LABELS.items(), cells, strict=True))
    with pytest.raises(DataError, match=f"{said}.*write train, val or test on each line"):
        opened({**FOUR, "labels.csv": f"file,label,{column}\n{rows}"}).labels()


@pytest.mark.parametrize("column", ["fold", "is_train", "Data Set"])
def test_a_column_that_may_give_splits_is_noted(opened: Open, column: str) -> None:
    rows = "".join(f"{file},{label},{label == 'cat':d}\n" for file, label in LABELS.items())
    source = opened({**FOUR, "labels.csv": f"file,label,{column}\n{rows}"})
    assert labels_of(source) == LABELS
    assert any(f'the column "{column}" of' in note and "is not used" in note for note in source.notes())


def test_a_column_of_splits_is_no_column_of_labels(opened: Open) -> None:
    """As CelebA's list_eval_partition.csv."""
    text = "image_id,partition\n1.png,0\n2.png,0\n3.png,1\n4.png,1\n"
    assert opened({**{f"faces/{name}": PNG for name in FOUR}, "list.csv": text}).class_names == ("faces",)


@pytest.mark.parametrize("top", ["", "EuroSAT/"])
@pytest.mark.parametrize(
    "files",
    [
        {"train.csv": ",Filename,Label,ClassName\n0,cat/1.png,0,cat\n1,dog/3.png,1,dog\n",
         "test.csv": ",Filename,Label,ClassName\n0,cat/2.png,0,cat\n1,dog/4.png,1,dog\n"},
        {"all.csv": "file,label,split\ncat/1.png,cat,train\ncat/2.png,cat,test\ndog/3.png,dog,train\n"
         "dog/4.png,dog,test\n"},
    ],
)  # fmt: skip
def test_splits_of_a_table_are_used_where_class_folders_agree(opened: Open, top: str, files: Files) -> None:
    source = opened({f"{top}{name}": content for name, content in {**BOTH, **files}.items()})
    assert source._files["test"] == [f"{top}cat/2.png", f"{top}dog/4.png"]
    assert labels_of(source) == {f"{top}{name}": name[:3] for name in BOTH}


@pytest.mark.parametrize(
    ("files", "begin"),
    [
        (
            {"train.csv": "file,label\n1.png,cat\n", "test.csv": "file,label\n2.png,cat\n"},
            "train from train.csv; test from test.csv; ",
        ),
        (
            {"list.csv": "file,label,split\n1.png,cat,train\n2.png,cat,val\n"},
            'train from the rows "train" of list.csv (column "label"); test from the rows "val" of list.csv (column',
        ),
    ],
)
def test_the_layout_names_the_file_of_each_split(opened: Open, files: Files, begin: str) -> None:
    assert opened({**images("1.png", "2.png"), **files}).layout().startswith(begin)


# --- tables next to class folders -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("folders", "rows"),
    [
        (("cat", "dog", "owl"), "cat/0.png,good\ncat/1.png,bad\n"),
        (("cat", "dog", "owl"), "cat/0.png,0\ncat/1.png,0\n"),
        (("cat", "dog"), "cat/0.png,x\n"),
        (("train/cat", "train/dog", "test/cat", "test/dog"), "train/cat/0.png,x\ntrain/cat/1.png,y\n"),
        (("001", "002", "003"), "001/0.png,male\n001/1.png,female\n002/0.png,male\n003/0.png,male\n"),
        (("cat", "dog", "owl"), "cat/0.png,cat,train\ncat/1.png,cat,test\ndog/1.png,dog,train\n"),
    ],
)
def test_a_table_that_replaces_class_folders_must_be_chosen(opened: Open, folders: tuple[str, ...], rows: str) -> None:
    files = images(*(f"{folder}/{i}.png" for folder in folders for i in range(3)))
    files["table.csv"] = f"file,label{',split' if ',train' in rows else ''}\n{rows}"
    with pytest.raises(DataError, match=r'= "folders" to use the folders, or data\.labels = "table\.csv" to use'):
        opened(files).labels()
    assert len(opened(files, labels="folders").class_names) == len({folder.rpartition("/")[2] for folder in folders})


def test_a_table_of_some_images_that_agrees_with_the_folders_is_noted(opened: Open) -> None:
    source = opened({**BOTH, "labels.csv": "file,label\ncat/1.png,Cat\ndog/3.png,DOG\n"})
    assert labels_of(source) == {name: name[:3] for name in BOTH}
    assert any("labels.csv names 2 of 4 images; all are used, with the folders" in note for note in source.notes())


@pytest.mark.parametrize("header", ["ImageId,PredictionString", "file,score"])
def test_a_column_of_another_name_is_no_label_where_there_are_class_folders(opened: Open, header: str) -> None:
    """As ImageNet's LOC_val_solution.csv, and tables of scores."""
    rows = "".join(f"{name},{i // 2} 1 2\n" for i, name in enumerate(BOTH))
    source = opened({**BOTH, "solution.csv": f"{header}\n{rows}"})
    assert labels_of(source) == {name: name[:3] for name in BOTH}
    assert any("solution.csv is not used" in note for note in source.notes()) == ("score" in header)


@pytest.mark.parametrize("names", [("cat/0", "cat/1", "dog/0", "dog/1"), ("cat/0", "cat/2", "dog/1", "dog/3")])
def test_a_list_of_the_classes_is_no_label_file(opened: Open, names: tuple[str, ...]) -> None:
    files = images(*(f"{name}.png" for name in names))
    source = opened({**files, "classes.csv": "id,class\n0,cat\n1,dog\n"})
    assert labels_of(source) == {name: name[:3] for name in files}


def test_the_layout_of_traffic_signs(opened: Open) -> None:
    """GTSRB: class folders to train on, a flat test folder with a table, and a picture of each class."""
    train = [f"Train/{c}/{c}_{i}.png" for c in range(3) for i in range(2)]
    files = images(*train, "Test/0.png", "Test/1.png", *(f"Meta/{c}.png" for c in range(3)))
    files["Train.csv"] = "Width,ClassId,Path\n" + "".join(f"9,{name[6]},{name}\n" for name in train)
    files["Test.csv"] = "Width,ClassId,Path\n9,2,Test/0.png\n9,0,Test/1.png\n"
    files["Meta.csv"] = "Path,ClassId,ShapeId\n" + "".join(f"Meta/{c}.png,{c},1\n" for c in range(3))
    source = opened(files)
    assert labels_of(source) == {name: name[6] for name in train} | {"Test/0.png": "2", "Test/1.png": "0"}
    assert sorted(source._files["test"]) == ["Test/0.png", "Test/1.png"]


def test_images_in_numbered_parts_need_a_column_of_labels(opened: Open) -> None:
    """As HAM10000."""
    files = images(*(f"images_part_{1 + i // 2}/{i}.png" for i in range(4)))
    files["metadata.csv"] = "image_id,dx,age\n0,nv,1\n1,nv,2\n2,mel,3\n3,mel,3\n"
    with pytest.raises(DataError, match=r"metadata\.csv is not used: .*data.label_column: dx or age; .*= \"folders\""):
        opened(files).labels()
    assert opened(files, label_column="dx").class_names == ("mel", "nv")


# --- columns, places and sizes ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [{}, {"labels": "folders"}])
def test_a_column_of_no_label_file_is_refused(opened: Open, options: dict[str, str]) -> None:
    with pytest.raises(DataError, match=r'data\.label_column = "species": '):
        opened(BOTH, label_column="species", **options).labels()


def test_the_label_file_that_has_the_column_is_used(opened: Open) -> None:
    files = {**FOUR, "a.csv": "file,label\n1.png,x\n2.png,x\n", "b.csv": f"file,species\n{ROWS}"}
    assert labels_of(opened(files, label_column="species")) == LABELS


def test_a_chosen_label_file_may_lie_next_to_the_folder_of_images(opened: Open) -> None:
    files = {**{f"set/images/{name}": PNG for name in FOUR}, "set/labels/labels.csv": f"file,label\n{ROWS}"}
    hint = 'if set/labels/labels.csv holds the labels, set data.labels = "set/labels/labels.csv"'
    assert hint in opened(files).notes()
    source = opened(files, labels="set/labels/labels.csv")
    assert labels_of(source) == {f"set/images/{name}": label for name, label in LABELS.items()}


@pytest.mark.parametrize("column", ["filepaths", "id_code", "Image Index", "Bild"])
def test_the_only_column_that_names_images_is_the_column_of_files(opened: Open, column: str) -> None:
    assert labels_of(opened({**FOUR, "labels.csv": f"{column},label\n{ROWS}"})) == LABELS


def test_a_table_without_a_header_is_refused(opened: Open) -> None:
    with pytest.raises(DataError, match=r'its first line names the image "1\.png"; add a line of names above it'):
        opened({**FOUR, "labels.csv": ROWS}).labels()


def test_messages_name_the_likeliest_table(opened: Open) -> None:
    files = {**FOUR, "a.csv": "a,b\n1,2\n", "b.csv": "file,dx,age\n1.png,nv,3\n", "c.csv": "x,y\n1,2\n"}
    with pytest.raises(DataError, match=r"b\.csv is not used: .*data\.label_column: dx or age"):
        opened(files).labels()


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("labels.csv", "file,label\n" + "a,b\n" * 30),
        ("labels.csv", ",".join(f"c{i}" for i in range(600))),
        ("labels.jsonl", "".join(json.dumps({f"k{i}": 1}) + "\n" for i in range(9))),
    ],
)
def test_a_large_table_is_not_read(opened: Open, monkeypatch: pytest.MonkeyPatch, name: str, text: str) -> None:
    monkeypatch.setattr("cganzoo.data.layout.table.MOST_ROWS", 20)
    monkeypatch.setattr("cganzoo.data.layout.table.MOST_CELLS", 20)
    source = opened({**BOTH, name: text})
    assert labels_of(source) == {name: name[:3] for name in BOTH}
    assert any(f"{name} is not used: it" in note for note in source.notes())


def test_equal_names_are_found_by_their_paths_in_linear_time() -> None:
    """5,000 files took half a minute when each was compared with each."""
    count = 10_000
    top = Branch("", [f"images/{i}/a.png" for i in range(count)])
    finder = Finder(top)
    assert all(finder.find(f"/d/images/{i}/a.png", "") == f"images/{i}/a.png" for i in range(count))
    assert finder.find("images/7/a", "") == "images/7/a.png"
    assert finder.find("7/a.png", "") == "images/7/a.png"
    assert not finder.has("/".join(["x"] * 100_000))


def test_the_name_of_a_class_is_not_too_long(opened: Open) -> None:
    rows = "".join(f"{name},{'x' * 201}\n" for name in FOUR)
    with pytest.raises(DataError, match="has 201 characters; names of classes have at most 200") as caught:
        opened({**FOUR, "labels.csv": f"file,label\n{rows}"}).labels()
    assert len(str(caught.value)) < 500
