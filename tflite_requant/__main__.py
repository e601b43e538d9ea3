"""`python -m tflite_requant`."""

from tflite_requant.start import console

if __name__ == "__main__":
    console()
