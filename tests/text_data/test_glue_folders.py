"""GLUE's TSV files as they are found in the wild."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nc_trainer import NCTrainerError
from nc_trainer.text_data.glue.read_folders import read_glue

REAL = Path(__file__).parents[3] / "shared" / "glue"


def write(path: Path, content: str | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8"))
    return path


def rows(location: Path, task: str, split: str = "validation") -> list[dict[str, object]]:
    return read_glue(location, task, [split])[split].to_list()


LABELLED_FILES = {
    "cola": ("CoLA", "gj04\t0\t*\tThey drank the pub.\n", {"sentence": "They drank the pub.", "label": 0}),
    "mrpc": (
        "MRPC",
        "\ufeffQuality\t#1 ID\t#2 ID\t#1 String\t#2 String\n1\t7\t8\tOne .\tTwo .\n",
        {"sentence1": "One .", "sentence2": "Two .", "label": 1},
    ),
    "qnli": (
        "QNLI",
        "index\tquestion\tsentence\tlabel\n0\tWho?\tShe.\tnot_entailment\n",
        {"question": "Who?", "sentence": "She.", "label": 1},
    ),
    "qqp": (
        "QQP",
        "id\tqid1\tqid2\tquestion1\tquestion2\tis_duplicate\n9\t1\t2\tWhy?\tHow?\t1\n",
        {"question1": "Why?", "question2": "How?", "label": 1},
    ),
    "rte": (
        "RTE",
        "index\tsentence1\tsentence2\tlabel\n0\tA b.\tA.\tentailment\n",
        {"sentence1": "A b.", "sentence2": "A.", "label": 0},
    ),
    "sst2": ("SST-2", "sentence\tlabel\nso good \t1\n", {"sentence": "so good ", "label": 1}),
    "stsb": (
        "STS-B",
        "index\tgenre\tfilename\tyear\told_index\tsource1\tsource2\tsentence1\tsentence2\tscore\n"
        "0\tnews\tf\t2012\t1\ts\tt\tA man.\tA woman.\t3.250\n",
        {"sentence1": "A man.", "sentence2": "A woman.", "label": 3.25},
    ),
    "wnli": (
        "WNLI",
        "index\tsentence1\tsentence2\tlabel\n0\tIt fell.\tHe fell.\t1\n",
        {"sentence1": "It fell.", "sentence2": "He fell.", "label": 1},
    ),
}


@pytest.mark.parametrize("task", LABELLED_FILES)
def test_each_task_is_read_into_the_columns_of_the_hub(tmp_path: Path, task: str) -> None:
    folder, content, expected = LABELLED_FILES[task]
    write(tmp_path / folder / "dev.tsv", content)
    assert rows(tmp_path, task) == [expected]


def test_mnli_has_matched_and_mismatched_splits(tmp_path: Path) -> None:
    parses = "\t".join(f"parse{number}" for number in range(4))
    header = f"index\tpromptID\tpairID\tgenre\t{parses}\tsentence1\tsentence2\tlabel1\tgold_label\n"
    row = "0\t1\t2\tfiction\ta\tb\tc\td\t{premise}\tSo.\tneutral\t{label}\n"
    write(tmp_path / "MNLI/dev_matched.tsv", header + row.format(premise="Yes.", label="neutral"))
    write(tmp_path / "MNLI/dev_mismatched.tsv", header + row.format(premise="No.", label="contradiction"))
    splits = read_glue(tmp_path, "mnli", ["validation_matched", "validation_mismatched"])
    assert splits["validation_matched"].to_list() == [{"premise": "Yes.", "hypothesis": "So.", "label": 1}]
    assert splits["validation_mismatched"][0]["label"] == 2
    assert splits["validation_matched"].features["label"].names == ["entailment", "neutral", "contradiction"]


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"sentence\tlabel\na b\t1\nc\t0\n", id="clean"),
        pytest.param(b"sentence\tlabel\r\na b\t1\r\nc\t0\r\n", id="carriage returns"),
        pytest.param(b"\xef\xbb\xbfsentence\tlabel\na b\t1\nc\t0\n", id="byte order mark"),
        pytest.param(b"sentence\tlabel\na b\t1\nc\t0", id="no last newline"),
        pytest.param(b"sentence\tlabel\na b\t1\nc\t0\n\n\r\n", id="blank lines at the end"),
        pytest.param(b" sentence\tlabel \na b\t 1\nc\t0 \n", id="blanks around header and labels"),
    ],
)
def test_untidy_files_read_like_clean_ones(tmp_path: Path, content: bytes) -> None:
    write(tmp_path / "SST-2/dev.tsv", content)
    assert rows(tmp_path, "sst2") == [{"sentence": "a b", "label": 1}, {"sentence": "c", "label": 0}]


@pytest.mark.parametrize(
    "text",
    [
        pytest.param('" an opening quote', id="stray quote"),
        pytest.param('he said "no" twice', id="quotes inside"),
        pytest.param("a\rb", id="carriage return inside"),
        pytest.param("a\u2028b\x85c", id="unicode line separators"),
        pytest.param("null", id="a word that csv readers take for missing"),
        pytest.param("", id="empty text"),
    ],
)
def test_text_is_kept_as_it_is(tmp_path: Path, text: str) -> None:
    write(tmp_path / "SST-2/dev.tsv", f"sentence\tlabel\n{text}\t1\nnext\t0\n")
    assert [row["sentence"] for row in rows(tmp_path, "sst2")] == [text, "next"]


@given(
    st.lists(
        st.tuples(st.text(st.characters(exclude_characters="\t\n", exclude_categories=["Cs"])), st.booleans()),
        min_size=1,
    )
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50, deadline=None)
def test_any_text_without_tabs_and_newlines_survives(tmp_path: Path, written: list[tuple[str, bool]]) -> None:
    lines = "".join(f"{text}\t{int(label)}\n" for text, label in written)
    write(tmp_path / "SST-2/dev.tsv", f"sentence\tlabel\n{lines}")
    assert [(row["sentence"], row["label"]) for row in rows(tmp_path, "sst2")] == written


def test_a_qqp_question_may_hold_a_line_break(tmp_path: Path) -> None:
    header = "id\tqid1\tqid2\tquestion1\tquestion2\tis_duplicate\n"
    broken = '1\t2\t3\t"Was he real?\n"\tWas he a figure?\t0\n4\t5\t6\tA?\tB?\t1\n'
    write(tmp_path / "QQP/dev.tsv", header + broken)
    assert rows(tmp_path, "qqp") == [
        {"question1": '"Was he real?\n"', "question2": "Was he a figure?", "label": 0},
        {"question1": "A?", "question2": "B?", "label": 1},
    ]


def test_test_rows_have_no_label(tmp_path: Path) -> None:
    write(tmp_path / "CoLA/test.tsv", "index\tsentence\n0\tBill whistled.\n")
    assert rows(tmp_path, "cola", "test") == [{"sentence": "Bill whistled.", "label": -1}]


@pytest.mark.parametrize(
    ("task", "content", "message"),
    [
        pytest.param("sst2", "sentence\tlabel\na\t1\nb\n", "dev.tsv, line 3: 1 columns where 2", id="too few"),
        pytest.param("sst2", "sentence\tlabel\na\tb\t1\n", "dev.tsv, line 2: 3 columns where 2", id="too many"),
        pytest.param("sst2", "sentence\tlabel\na\t1\n\nb\t1\n", "dev.tsv, line 3: 1 columns", id="blank line"),
        pytest.param("sst2", "sentence\tlabel\na\t2\n", "line 2: the label '2' is not one of 0, 1", id="label"),
        pytest.param("sst2", "text\tlabel\na\t1\n", "no column 'sentence'.*text, label", id="header"),
        pytest.param("sst2", "sentence\tlabel\n", "holds no rows", id="no rows"),
        pytest.param("sst2", "", "holds no rows", id="empty"),
        pytest.param("sst2", b"sentence\tlabel\na\t1\n\xff\t0\n", "line 3: not valid UTF-8", id="not UTF-8"),
        pytest.param("cola", "g\t1\t\ta\ng\t1\ta\n", "dev.tsv, line 2: 3 columns where 4", id="no header"),
        pytest.param("rte", "sentence1\tsentence2\tlabel\na\tb\t0\n", "not one of entailment,", id="word label"),
        pytest.param("stsb", "sentence1\tsentence2\tscore\na\tb\tnan\n", "not a number from 0 to 5", id="score"),
        pytest.param(
            "qqp",
            "id\tquestion1\tquestion2\tis_duplicate\n1\ta\n2\tc\td\t1\n",
            "dev.tsv, line 2: 5 columns where 4",
            id="a short qqp row before a whole one",
        ),
    ],
)
def test_a_broken_file_is_an_error_that_names_the_place(
    tmp_path: Path, task: str, content: str | bytes, message: str
) -> None:
    write(tmp_path / task / "dev.tsv", content)
    with pytest.raises(NCTrainerError, match=message):
        read_glue(tmp_path, task)


@pytest.mark.parametrize("folder", ["SST-2", "sst-2", "SST2", "sst_2"])
def test_folders_are_found_in_any_spelling(tmp_path: Path, folder: str) -> None:
    write(tmp_path / folder / "dev.tsv", "sentence\tlabel\na\t1\n")
    assert len(rows(tmp_path, "SST-2")) == 1


@pytest.mark.parametrize("name", ["SST-2", "my data"])
def test_the_location_may_be_the_task_folder_itself(tmp_path: Path, name: str) -> None:
    write(tmp_path / name / "dev.tsv", "sentence\tlabel\na\t1\n")
    assert len(rows(tmp_path / name, "sst2")) == 1


def test_the_folder_of_another_task_is_not_taken_for_this_one(tmp_path: Path) -> None:
    write(tmp_path / "WNLI/dev.tsv", "index\tsentence1\tsentence2\tlabel\n0\ta\tb\t1\n")
    with pytest.raises(NCTrainerError, match=r"no folder 'RTE' \(or 'rte', in any case\).*train.tsv, dev.tsv"):
        read_glue(tmp_path / "WNLI", "rte")


def test_a_missing_location_is_named(tmp_path: Path) -> None:
    with pytest.raises(NCTrainerError, match="nowhere is not a directory"):
        read_glue(tmp_path / "nowhere", "sst2")


def test_a_missing_split_names_its_file(tmp_path: Path) -> None:
    write(tmp_path / "SST-2/dev.tsv", "sentence\tlabel\na\t1\n")
    assert list(read_glue(tmp_path, "sst2")) == ["validation"]
    with pytest.raises(NCTrainerError, match=r"train\.tsv does not exist"):
        read_glue(tmp_path, "sst2", ["train"])


def test_an_unknown_task_lists_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(NCTrainerError, match=r"unknown GLUE task 'ax'.*cola, mnli"):
        read_glue(tmp_path, "ax")


MRPC_HEADER = "Quality\t#1 ID\t#2 ID\t#1 String\t#2 String\n"


def test_mrpc_is_split_by_the_ids_when_only_the_original_files_are_there(tmp_path: Path) -> None:
    write(tmp_path / "MRPC/msr_paraphrase_train.txt", MRPC_HEADER + "1\t1\t2\ta\tb\n0\t3\t4\tc\td\n1\t5\t6\te\tf\n")
    write(tmp_path / "MRPC/msr_paraphrase_test.txt", MRPC_HEADER + "0\t7\t8\tg\th\n")
    write(tmp_path / "MRPC/dev_ids.tsv", "3\t4\n")
    splits = read_glue(tmp_path, "mrpc")
    assert splits["train"]["sentence1"][:] == ["a", "e"]
    assert splits["validation"].to_list() == [{"sentence1": "c", "sentence2": "d", "label": 0}]
    assert splits["test"].to_list() == [{"sentence1": "g", "sentence2": "h", "label": 0}]


def test_the_original_mrpc_files_need_the_ids(tmp_path: Path) -> None:
    write(tmp_path / "MRPC/msr_paraphrase_train.txt", MRPC_HEADER + "1\t1\t2\ta\tb\n")
    with pytest.raises(NCTrainerError, match=r"dev_ids\.tsv does not exist"):
        read_glue(tmp_path, "mrpc")


@pytest.mark.skipif(not REAL.is_dir(), reason=f"the official GLUE folders are not at {REAL}")
@pytest.mark.parametrize(
    ("task", "counts"),
    [
        pytest.param("sst2", {"train": 67349, "validation": 872, "test": 1821}, id="sst2"),
        pytest.param("mrpc", {"train": 3668, "validation": 408, "test": 1725}, id="mrpc"),
        pytest.param("wnli", {"train": 635, "validation": 71, "test": 146}, id="wnli"),
    ],
)
def test_the_official_folders_are_read_whole(task: str, counts: dict[str, int]) -> None:
    assert {split: len(data) for split, data in read_glue(REAL, task).items()} == counts


@pytest.mark.skipif(not REAL.is_dir(), reason=f"the official GLUE folders are not at {REAL}")
def test_mrpc_from_its_original_files_is_the_official_split(tmp_path: Path) -> None:
    for name in ("msr_paraphrase_train.txt", "dev_ids.tsv"):
        write(tmp_path / "MRPC" / name, (REAL / "MRPC" / name).read_bytes())
    for split in ("train", "validation"):
        assert rows(tmp_path, "mrpc", split) == rows(REAL, "mrpc", split)


@pytest.mark.parametrize("task", LABELLED_FILES)
def test_a_file_that_lost_its_header_is_read_by_the_official_one(tmp_path: Path, task: str) -> None:
    folder, content, expected = LABELLED_FILES[task]
    data = "1\t7\t8\tOne .\tTwo .\n" if task == "mrpc" else content.splitlines(keepends=True)[-1]
    write(tmp_path / folder / "dev.tsv", "\ufeff" + data)
    assert rows(tmp_path, task) == [expected]


def test_a_test_file_without_header_too(tmp_path: Path) -> None:
    write(tmp_path / "QQP/test.tsv", "0\tWhy?\tHow?\n")
    assert rows(tmp_path, "qqp", "test") == [{"question1": "Why?", "question2": "How?", "label": -1}]


def test_a_header_is_said_to_be_missing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write(tmp_path / "SST-2/dev.tsv", "so good\t1\n")
    read_glue(tmp_path, "sst2")
    assert "has no header row; its columns are taken to be sentence, label" in caplog.text


def test_cola_may_have_a_header(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write(tmp_path / "CoLA/dev.tsv", "source\tlabel\tmark\tsentence\ngj04\t1\t\tThey drank.\n")
    assert rows(tmp_path, "cola") == [{"sentence": "They drank.", "label": 1}]
    assert caplog.text == ""


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param("text\tlabel\na\t1\n", "no column 'sentence' in its header, which has: text", id="one name"),
        pytest.param("text\ttarget\na\t1\n", "line 1: the label 'target' is not one of 0, 1", id="no name"),
        pytest.param("a\tb\tc\na\tb\t1\n", "no column 'sentence' in its header", id="another number of columns"),
    ],
)
def test_a_header_with_other_names_is_an_error(tmp_path: Path, content: str, message: str) -> None:
    write(tmp_path / "SST-2/dev.tsv", content)
    with pytest.raises(NCTrainerError, match=message):
        read_glue(tmp_path, "sst2")
