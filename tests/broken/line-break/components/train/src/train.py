import argparse

parser = argparse.ArgumentParser()
parser.add_argument("--data", required=True)
parser.add_argument("--rate", type=float)
parser.add_argument("--model", required=True)
args = parser.parse_args()
